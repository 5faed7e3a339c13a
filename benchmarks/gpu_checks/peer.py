"""g. The same steps by stock TRL with its own colocated vLLM: the ratio, in all and by part."""

import os
import time
from typing import Any

from benchmarks.gpu_checks.clock import Clock, watch_trainer
from benchmarks.gpu_checks.models import random_model
from benchmarks.gpu_checks.report import Report, Scale, need_bfloat16, need_memory, need_vllm
from benchmarks.gpu_checks.steps import STEPS, StepClock, sampled_tokens, tell_parts


def run(report: Report, scale: Scale) -> None:
    need_bfloat16(scale)
    need_memory(scale, 40)
    os.environ |= {"VLLM_USE_FLASHINFER_SAMPLER": "0", "VLLM_NO_USAGE_STATS": "1"}  # as our engine is started
    if scale.smoke:
        report.left_out("TRL's vLLM backend: TRL cannot send weights to vLLM on a CPU, so transformers generates")
    else:
        need_vllm()
    from datasets import Dataset
    from peft import LoraConfig
    from trl import GRPOConfig, GRPOTrainer
    from trl.generation.vllm_generation import VLLMGeneration

    clock = Clock()
    watch_trainer(clock, GRPOTrainer, VLLMGeneration)
    steps = StepClock(clock)
    completions = 12 if scale.smoke else 48
    arguments = GRPOConfig(
        output_dir=str(scale.scratch / "peer"),
        per_device_train_batch_size=6,
        gradient_accumulation_steps=completions // 6,
        num_generations=6,
        max_completion_length=scale.cap,
        max_steps=STEPS,
        optim="adamw_torch",
        learning_rate=1e-4,
        beta=0.04,
        loss_type="grpo",
        temperature=0.7,
        use_cpu=scale.smoke,
        bf16=not scale.smoke,
        gradient_checkpointing=True,
        gradient_checkpointing_kwargs={"use_reentrant": False},
        use_vllm=not scale.smoke,
        vllm_mode="colocate",
        vllm_gpu_memory_utilization=0.4,
        vllm_max_model_length=4608,
        vllm_importance_sampling_correction=False,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        model_init_kwargs={"dtype": "float32" if scale.smoke else "bfloat16", "attn_implementation": "sdpa"},
    )
    adapter = LoraConfig(
        r=32,
        lora_alpha=128,
        lora_dropout=0.05,
        target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
        task_type="CAUSAL_LM",
    )
    questions = [f"Compute {a}+5-2+{b}" for a in range(1, 10) for b in range(1, 10)]
    dataset = Dataset.from_dict({"prompt": [[{"role": "user", "content": question}] for question in questions]})
    began = time.perf_counter()
    trainer = GRPOTrainer(
        model=str(random_model(scale)),
        reward_funcs=_reward,
        args=arguments,
        train_dataset=dataset,
        peft_config=adapter,
        callbacks=[steps],
    )
    report.figure("start", round(time.perf_counter() - began, 1), "s")
    trainer.train()
    tell_parts(report, steps.steps, sampled_tokens(trainer.state.log_history, completions))


def _reward(completion_ids: list[list[int]], **_: Any) -> list[float]:
    return [float(len(set(ids)) % 7) for ids in completion_ids]
