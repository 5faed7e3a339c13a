"""What files of a study are called."""

import hashlib

LONGEST = 100


def file_name(kind: str, study: str) -> str:
    """`study_vllm_sync` of ("study", "vllm/sync"); one too long for a file is cut, with its hash."""
    safe = study.replace("/", "_").replace("\\", "_")
    if len(safe) > LONGEST:
        safe = f"{safe[:LONGEST]}_{hashlib.sha256(study.encode()).hexdigest()[:8]}"
    return f"{kind}_{safe}"
