"""What files of a study are called."""

import hashlib
import re

LONGEST = 100


def file_name(kind: str, study: str) -> str:
    """`study_vllm_sync` of ("study", "vllm/sync"); one that is no plain name, or too long, gets its hash."""
    safe = re.sub(r"[^A-Za-z0-9._=+-]", "_", study)[:LONGEST]
    if safe != study.replace("/", "_"):
        safe += f"_{hashlib.sha256(study.encode(errors='surrogatepass')).hexdigest()[:8]}"
    return f"{kind}_{safe}"
