# ruff: noqa: E501 - messages stand whole, as they are printed
"""Every cause of the table is named by what trainers print for it, whatever a terminal made of the text."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from loratui.runs.hints import matcher as hints
from loratui.runs.hints.diagnose import diagnose

BAR = "steps:  12%|█▎        | 12/1600 [02:10<15:56,  1.09s/it, avr_loss=0.12]"
CAUSES: dict[str, str] = {
    "oom_cuda_vae": """Traceback (most recent call last):
  File "/opt/sd/library/train_util.py", line 3001, in cache_batch_latents
    latents = vae.encode(pictures)
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 9.00 GiB.""",
    "oom_cuda": "torch.cuda.OutOfMemoryError: HIP out of memory. Tried to allocate 20.00 MiB (GPU 0; 8 GiB)",
    "oom_cublas": "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    "shm_bus": "RuntimeError: DataLoader worker (pid 77) is killed by signal: Bus error. It is possible that",
    "dl_worker_died": "RuntimeError: DataLoader worker (pid(s) 12, 13) exited unexpectedly",
    "win_pagefile": "OSError: [WinError 1455] The paging file is too small for this operation to complete",
    "oom_ram": "train.sh: line 3:  4242 Killed                  accelerate launch train_network.py",
    "sig_segv": "Fatal Python error: Segmentation fault",
    "resource_limit": "OSError: [Errno 27] File too large: '/out/hero.safetensors'",
    "sig_term": "torch.distributed.elastic.multiprocessing.api.SignalException: Process 9 got signal: 15",
    "user_stop": 'Traceback (most recent call last):\n  File "x.py", line 1, in f\nKeyboardInterrupt',
    "nan_latents": "RuntimeError: NaN detected in latents: /data/10_cat/7.png",
    "loss_nan": "steps:   2%|▏ | 31/3280 [01:53<1:45:10,  1.96s/it, Average key norm=0.1, avr_loss=nan]",
    "black_samples": "lib/image_processor.py:9: RuntimeWarning: invalid value encountered in cast",
    "disk_full": "OSError: [Errno 122] Disk quota exceeded: '/mnt/out/hero.safetensors'",
    "emfile": "OSError: [Errno 24] Too many open files: '/data/10_cat/900.png'",
    "permission": "PermissionError: [Errno 13] Permission denied: '/mnt/out'",
    "script_missing": "/opt/py/bin/python3.11: can't open file '/opt/flux_train_network.py': [Errno 2] No such file",
    "config_missing": "ValueError: file not found / x: /data/dataset.toml",
    "output_dir_bad": """  File "train_network.py", line 12, in save_model
    os.makedirs(args.output_dir, exist_ok=True)
  File "<frozen os>", line 225, in makedirs
FileNotFoundError: [Errno 2] No such file or directory: '/sys/out'""",
    "module_shadowed": "ModuleNotFoundError: No module named 'networks.lora'; 'networks' is not a package",
    "mod_lion": "ImportError: No lion_pytorch / lion_pytorch",
    "mod_prodigy": "ModuleNotFoundError: No module named 'prodigyplus'",
    "mod_bnb": "AttributeError: No AdEMAMix8bit. The version of bitsandbytes installed seems to be old.",
    "mod_dadapt": "ModuleNotFoundError: No module named 'dadaptation'",
    "mod_schedulefree": "ImportError: No schedulefree / x",
    "mod_wandb": "ImportError: No wandb / wandb",
    "mod_xformers": "ImportError: No xformers / xformers",
    "mod_lycoris": "import network module: lycoris.kohya\nModuleNotFoundError: No module named 'lycoris'",
    "accelerate_missing": "run.sh: line 4: accelerate: command not found",
    "tv_mismatch": "RuntimeError: operator torchvision::nms does not exist",
    "network_module_bad": "import network module: networks.lorra\nModuleNotFoundError: No module named 'networks.lorra'",
    "mod_generic": "ModuleNotFoundError: No module named 'voluptuous'",
    "hub_api": "ImportError: cannot import name 'cached_download' from 'huggingface_hub' (/x/__init__.py)",
    "protobuf": "TypeError: Descriptors cannot be created directly.",
    "numpy2": "ImportError: numpy.core.multiarray failed to import",
    "libgl": "ImportError: libgthread-2.0.so.0: cannot open shared object file: No such file or directory",
    "pip_resolve": "ERROR: No matching distribution found for torch==2.1.2+cu118",
    "bnb_cuda": "RuntimeError: \n        CUDA Setup failed despite GPU being available. Please run",
    "driver_old": "RuntimeError: The NVIDIA driver on your system is too old (found version 11040).",
    "torch_arch": "torch.AcceleratorError: CUDA error: no kernel image is available for execution on the device",
    "xformers_build": "NotImplementedError: No operator found for `memory_efficient_attention_forward` with inputs:",
    "gpu_hw": "[ 99.1] NVRM: Xid (PCI:0000:0a:00): 79, pid=123, name=python, GPU has fallen off the bus.",
    "cuda_crash": "RuntimeError: CUDA error: an illegal memory access was encountered",
    "gpu_thermal": "        HW Thermal Slowdown                   : Active",
    "multi_gpu_cfg": "RuntimeError: CUDA error: invalid device ordinal",
    "rtx4000_p2p": "NotImplementedError: Using RTX 4000 series doesn't support faster communication broadband",
    "torch_cpu": "RuntimeError: Found no NVIDIA driver on your system. Please check",
    "mp_unsupported": "ValueError: bf16 mixed precision requires PyTorch >= 1.10 and a supported device.",
    "unscale_fp16": "ValueError: Attempting to unscale FP16 gradients.",
    "docker_gpu": 'docker: Error response from daemon: could not select device driver "" with capabilities: [[gpu]]',
    "svd_failed": "torch._C._LinAlgError: linalg.svd: The algorithm failed to converge",
    "thread_limit": "RuntimeError: can't start new thread",
    "device_op": "NotImplementedError: Could not run 'aten::x' with arguments from the 'DirectML' backend.",
    "scripts_disabled": "gui.ps1 : File gui.ps1 cannot be loaded because running scripts is disabled on this system.",
    "python_broken": "No Python at '\"C:\\Python310\\python.exe'",
    "attention_kernel": "RuntimeError: cuDNN Frontend error: [cudnn_frontend] Error: No execution plans support",
    "dtype_mismatch": "RuntimeError: Input type (c10::Half) and bias type (float) should be the same",
    "accelerate_args": "usage: accelerate <command> [<args>] launch\naccelerate <command> [<args>]: error: unrecognized",
    "port_used": "torch.distributed.DistNetworkError: The server socket has failed to bind to [::]:29500 (EADDRINUSE)",
    "nccl": "torch.distributed.DistBackendError: NCCL error in: NCCLUtils.hpp:317, unhandled system error",
    "spawn": "RuntimeError: \n        An attempt has been made to start a new process before the current",
    "encoding_console": "UnicodeEncodeError: 'ascii' codec can't encode characters in position 0-3",
    "folder_repeats": "ignore directory without repeats / x: hero\nNo data found. Please verify arguments (x)",
    "no_data": "No data found. Please verify arguments (train_data_dir must be the parent)",
    "caption_empty": "AssertionError: caption file is empty / x: /data/10_cat/1.txt",
    "caption_encoding": "illegal char in file (not UTF-8) / x: /data/10_cat/1.txt",
    "caption_missing": "No caption file found for 12 images. Training will continue without captions",
    "image_too_small": """  File "/opt/sd/library/train_util.py", line 318, in select_bucket
    ar_width_rounded = b_width_rounded / b_height_in_wr
ZeroDivisionError: division by zero""",
    "image_corrupt": """  File "/opt/sd/library/train_util.py", line 870, in make_buckets
    aspect_ratio = image_width / image_height
ZeroDivisionError: division by zero""",
    "resolution_missing": "AssertionError: resolution is required / x",
    "net_weights_partly": "load network weights from /data/a.safetensors: _IncompatibleKeys(missing_keys=['lora_te_text_model'",
    "value_range": "ValueError: num_workers option should be non-negative; use num_workers=0 to disable it.",
    "resolution_bad": """  File "/opt/sd/library/train_util.py", line 5410, in prepare_dataset_args
    args.resolution = tuple([int(r) for r in args.resolution.split(",")])
ValueError: invalid literal for int() with base 10: '512x512'""",
    "sched_args": """  File "/opt/sd/library/train_util.py", line 5290, in get_scheduler_fix
    key, value = arg.split("=")
ValueError: not enough values to unpack (expected 2, got 1)""",
    "sample_prompts": """  File "/opt/sd/library/train_util.py", line 6414, in sample_images_common
UnicodeDecodeError: 'utf-8' codec can't decode byte 0xe9 in position 0: unexpected end of data""",
    "sample_prompts_missing": "No prompt file / x: /data/prompts.txt",
    "bucket_bounds": "AssertionError: max_bucket_reso must be equal or greater than resolution / x",
    "aug_cache": "AssertionError: when caching latents, either color_aug or random_crop cannot be used / x",
    "te_cache_caption": "AssertionError: when caching Text Encoder output, either caption_dropout_rate, shuffle_caption",
    "te_cache_train": "AssertionError: network for Text Encoder cannot be trained with caching Text Encoder outputs",
    "sdxl_flags": "AssertionError: v2 cannot be enabled in SDXL training / x",
    "noise_args": "ValueError: adaptive_noise_scale requires noise_offset / x",
    "sched_warmup": "ValueError: SchedulerType.CONSTANT does not require `num_warmup_steps`. Set None or 0.",
    "sched_unknown": "ValueError: 'cosin' is not a valid SchedulerType",
    "opt_unknown": "AttributeError: module 'torch.optim' has no attribute 'AdamQ'",
    "opt_args": """  File "/opt/sd/library/train_util.py", line 4860, in get_optimizer
    key, value = arg.split("=")
ValueError: not enough values to unpack (expected 2, got 1)""",
    "prodigy_rates": "RuntimeError: Setting different lr values in different parameter groups is only supported for values of 0",
    "net_args": """  File "train_network.py", line 660, in train
    key, value = net_arg.split("=")
ValueError: not enough values to unpack (expected 2, got 1)""",
    "net_dim_mismatch": "RuntimeError: Error(s) in loading state_dict for LoRANetwork:\n\tsize mismatch for lora_te_x",
    "peft_targets": "ValueError: Target modules {'to_q'} not found in the base model.",
    "tb_logdir": "ValueError: logging_dir is required when log_with is tensorboard / x",
    "wandb_login": "wandb.errors.UsageError: api_key not configured (no-tty). call wandb.login()",
    "resume_done": "AssertionError: max_train_steps should be greater than initial step / x: 20 vs 20",
    "option_conflict": "AssertionError: full_bf16 requires mixed precision='bf16' / x",
    "config_key": "voluptuous.error.MultipleInvalid: extra keys not allowed @ data['datasets'][0]['batchsize']",
    "config_syntax": "toml.decoder.TomlDecodeError: invalid literal for int() with base 0 (line 7 column 1)",
    "bad_cli_arg": "flux_train_network.py: error: unrecognized arguments: --blocks_to_swop 3",
    "state_broken": """  File "/opt/sd/train_network.py", line 12, in resume_from_local_or_hf_if_specified
    accelerator.load_state(args.resume)
safetensors_rust.SafetensorError: Error while deserializing header: invalid JSON in header""",
    "weights_only": "_pickle.UnpicklingError: Weights only load failed. This file can still be loaded",
    "net_weights_missing": """  File "/opt/sd/networks/lora.py", line 1102, in load_weights
    weights_sd = load_file(file)
FileNotFoundError: No such file or directory: "/out/hero-000003.safetensors\"""",
    "model_variant": "OSError: Error no file named diffusion_pytorch_model.fp16.bin found in directory /m.",
    "model_missing": 'ValueError: The provided pretrained_model_name_or_path "/m" is neither a valid local path nor a'
    " valid repo id.",
    "st_corrupt": "safetensors_rust.SafetensorError: Error while deserializing header: invalid UTF-8 in header",
    "ckpt_corrupt": "_pickle.UnpicklingError: invalid load key, '<'.",
    "v2_flag": "RuntimeError: mat1 and mat2 shapes cannot be multiplied (154x768 and 1024x320)",
    "vae_wrong": """  File "/opt/sd/library/model_util.py", line 1273, in load_vae
    vae_dict = convert_ldm_vae_checkpoint(vae_sd, vae_config)
KeyError: 'encoder.norm_out.weight'""",
    "wrong_arch": "KeyError: 'time_embed.0.weight'",
    "hf_gated": "huggingface_hub.errors.GatedRepoError: 401 Client Error. (Request ID: x)",
    "hf_token": "Invalid credentials in Authorization header",
    "hf_server": "huggingface_hub.errors.HfHubHTTPError: 503 Server Error: Service Unavailable for url: https://x",
    "hf_404": "huggingface_hub.utils._errors.RepositoryNotFoundError: 404 Client Error. (Request ID: x)",
    "hf_badid": "huggingface_hub.errors.HFValidationError: Repo id must be in the form 'repo_name'",
    "hf_offline": "OSError: We couldn't connect to 'https://huggingface.co' to load the files, and",
    "cache_stale": "RuntimeError: stack expects each tensor to be equal size, but got [4, 96, 64] at entry 0",
    "libuv": "RuntimeError: use_libuv was requested but PyTorch was built without libuv support",
    "torch_broken": '  File "x.py", line 3, in <module>\n    import torch._C\nImportError: DLL load failed while importing _C',
    "fp8_op": "RuntimeError: \"index_select_cuda\" not implemented for 'Float8_e4m3fn'",
    "compile_triton": "torch._dynamo.exc.BackendCompilerFailed: backend='inductor' raised:",
    "net_family": "AttributeError: 'LoRANetwork' object has no attribute 'train_t5xxl'",
    "state_mismatch": "ValueError: loaded state dict has a different number of parameter groups",
    "sample_zero": "    if epoch % args.sample_every_n_epochs != 0:\nZeroDivisionError: integer modulo by zero",
    "nothing_trains": "RuntimeError: element 0 of tensors does not require grad and does not have a grad_fn",
    "device_split": "RuntimeError: Expected all tensors to be on the same device, but found at least two devices",
    "drive_gone": "OSError: [Errno 107] Transport endpoint is not connected: '/content/drive/out'",
    "file_in_use": "PermissionError: [WinError 32] The process cannot access the file because it is being used",
    "path_bad": "OSError: [Errno 36] File name too long: '/out/a.safetensors'",
    "program_missing": "sh: 1: git: not found",
    "submodule_missing": "Error during Git operation: Command '['git', 'submodule', 'update']' returned 128",
    "python_old": "TypeError: unsupported operand type(s) for |: 'type' and 'NoneType'",
    "pip_build": "ERROR: Could not build wheels for dadaptation, which is required to install",
    "mac_dialog": "*** Terminating app due to uncaught exception 'NSInternalInconsistencyException', reason: 'NS'",
    "gui_check": "LoRA type must be set to 'Flux1' or 'Flux1 OFT' if Flux1 checkbox is checked.",
    "gui_fault": '  File "/opt/kohya_gui/lora_gui.py", line 9, in save\n    f(x)\nKeyError: "rank"',
    "shape_mismatch": "RuntimeError: The size of tensor a (77) must match the size of tensor b (154) at",
    "file_missing": "FileNotFoundError: [Errno 2] No such file or directory: '/data/prompts'",
    "gui_start": "OSError: Cannot find empty port in range: 7860-7860. You can specify a different port",
    "mod_tk": "ModuleNotFoundError: No module named 'tkinter'",
    "quantized_train": "RuntimeError: only Tensors of floating point dtype can require gradients",
    "mod_setuptools": "ModuleNotFoundError: No module named 'pkg_resources'",
    "hf_partial": "OSError: Consistency check failed: file should be of size 1710540580 but has size 104857600",
    "gpu_busy": "RuntimeError: CUDA error: CUDA-capable device(s) is/are busy or unavailable",
    "notebook_cell": "NameError: name 'sample_every_n_type' is not defined",
    "mps_op": "NotImplementedError: The operator 'aten::linalg_svd' is not currently implemented for the MPS",
    "no_nccl": "RuntimeError: Distributed package doesn't have NCCL built in",
    "ddp_unused": "RuntimeError: Expected to have finished reduction in the prior iteration before starting",
    "data_missing": """  File "/opt/sd/library/train_util.py", line 1502, in load_dreambooth_dir
    img_paths = glob_images(subset.image_dir)
FileNotFoundError: [Errno 2] No such file or directory: '/data/10_cat'""",
    "control_pairs": "AssertionError: missing conditioning data for 3 images / x: ['1', '2', '3']",
    "image_size": "AssertionError: image too large, but cropping and bucketing are disabled / x",
    "encoding_read": "UnicodeDecodeError: 'gbk' codec can't decode byte 0x80 in position 7: illegal multibyte",
    "setting_type": "TypeError: '<=' not supported between instances of 'float' and 'str'",
    "setting_missing": "TypeError: expected str, bytes or os.PathLike object, not NoneType",
    "sample_size": "ValueError: `height` and `width` have to be divisible by 8 but are 500 and 333.",
    "model_fp8": "ValueError: Unsupported fp8 model dtype: torch.float32",
    "model_inpaint": "RuntimeError: Given groups=1, weight of size [320, 9, 3, 3], expected input[1, 4, 64, 64] to have"
    " 9 channels, but got 4 channels instead",
    "version_skew": "TypeError: Accelerator.__init__() got an unexpected keyword argument 'project_dir'",
}
BY_NUMBERS = {"no_effect", "no_progress", "disk_low", "gpu_shared", "log_large"}


def each_line(change: Callable[[str], str]) -> Callable[[str], str]:
    return lambda text: "\n".join(change(line) for line in text.split("\n"))


def cut(width: int) -> Callable[[str], str]:
    def wrap(line: str) -> str:
        return "\n".join(line[at : at + width] for at in range(0, max(1, len(line)), width))

    return each_line(wrap)


def glued(line: str) -> str:
    return BAR + line if re.match(r"[\w.]+(?:Error|Exception): |Traceback", line) else line


SEEN_AS: dict[str, Callable[[str], str]] = {
    "printed": lambda text: text,
    "windows": lambda text: text.replace("\n", "\r\n"),
    "ranks": lambda text: "\n".join(f"[rank{n}]: {line}" for line in text.split("\n") for n in (0, 1)),
    "container": each_line(lambda line: f"2026-03-01T10:11:12.1234567Z {line}"),
    "coloured": each_line(lambda line: f"\x1b[1;31m{line}\x1b[0m"),
    "behind a bar": each_line(glued),
    "80 columns": cut(80),
    "120 columns": cut(120),
    "other paths": lambda text: re.sub(r"line \d+", "line 7", text.replace("/opt/", "/My Stuff (2)/é/")),
    "failed again": lambda text: (
        f"{text}\nsubprocess.CalledProcessError: Command '['python', 'RuntimeError: NaN detected in latents']'"
        " returned non-zero exit status 1."
    ),
}


def keys_of(text: str) -> list[str]:
    return [found.key for found in diagnose([[text.encode()]]).hints]


def test_every_row_has_its_text() -> None:
    assert set(CAUSES) == {row.key for row in hints.rules() if row.patterns or row.after}
    general = {row.key for row in hints.rules() if row.is_general}
    assert {row.key for row in hints.rules()} - set(CAUSES) - general == BY_NUMBERS


@pytest.mark.parametrize("key", CAUSES)
def test_a_cause_is_named_alone(key: str) -> None:
    found = {name: keys_of(seen_as(CAUSES[key])) for name, seen_as in SEEN_AS.items()}
    assert found == {name: [key] for name in SEEN_AS}


def as_rich(text: str, width: int) -> str:
    """A log line as rich draws it: words wrapped, the source at the right edge."""
    room, rows, row = width - 30 - 20, [], ""
    for word in text.split(" "):
        if row and len(row) + 1 + len(word) > room:
            rows.append(row)
            row = word
        else:
            row = f"{row} {word}" if row else word
    first, *rest = [*rows, row]
    head = f"{' ' * 20}ERROR    {first.ljust(room)} train_util.py:1234"
    return "\n".join([head, *(" " * 29 + line for line in rest)])


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("key", ["no_data", "caption_encoding", "caption_missing", "nan_latents"])
def test_a_log_line_wrapped_by_rich(key: str, width: int) -> None:
    assert keys_of(as_rich(CAUSES[key], width)) == [key]


ROOT_FIRST = [
    ("oom_cuda", ("nccl", "oom_cuda")),
    ("folder_repeats", ("folder_repeats",)),
    ("shm_bus", ("shm_bus", "dl_worker_died", "oom_ram")),
    ("hf_gated", ("hf_token", "hf_gated")),
    ("mod_bnb", ("caption_missing", "mod_bnb")),
    ("rtx4000_p2p", ("rtx4000_p2p", "nccl")),
    ("permission", ("output_dir_bad", "permission")),
]


@pytest.mark.parametrize(("root", "met"), ROOT_FIRST)
def test_the_root_cause_comes_first(root: str, met: tuple[str, ...]) -> None:
    assert keys_of("\n".join(CAUSES[key] for key in met))[0] == root


HEALTHY = {
    "triton": """A matching Triton is not available, some optimizations will not be enabled
Traceback (most recent call last):
  File "/x/xformers/__init__.py", line 57, in _is_triton_available
    import triton
ModuleNotFoundError: No module named 'triton'""",
    "tensorflow": "2026-01-01 02:09:33.5: E cuda_blas.cc:1515] Unable to register cuBLAS factory: already registered",
    "flash": "UserWarning: 1Torch was not compiled with flash attention. (Triggered internally at sdp_utils.cpp:455.)",
    "pickle": "model_util.py:866: FutureWarning: You are using `torch.load` with `weights_only=False`",
    "accelerate": "The following values were not passed to `accelerate launch` and had defaults used instead:",
    "captions": "  class_tokens: RuntimeError: CUDA out of memory. Tried to allocate, killed, nan",
    "config": "  'output_dir': '/out/loss=nan', 'xformers': False, 'note': 'ModuleNotFoundError: No module named x'",
    "paths": "saving checkpoint: /out/Killed/No data found. Please verify/nan.safetensors",
    "retry": "'(ReadTimeoutError(\"x\"))' thrown while requesting HEAD https://huggingface.co/x\nRetrying in 1s [Retry 1/5].",
    "reg": "                    WARNING  no regularization images / x   train_util.py:2163",
    "bucket": "min_bucket_reso and max_bucket_reso are ignored if bucket_no_upscale is set",
    "nvidia-smi": "        HW Thermal Slowdown                   : Not Active",
    "repeats": "ignore directory without repeats / x: .ipynb_checkpoints",
}


@pytest.mark.parametrize(
    "seen_as", ["printed", "windows", "container", "coloured", "80 columns", "120 columns"]
)
@pytest.mark.parametrize("name", HEALTHY)
def test_what_looks_alarming_and_is_not(name: str, seen_as: str) -> None:
    log = f"{HEALTHY[name]}\n  total optimization steps / x: 1600\n{BAR}\nmodel saved.\n"
    found = diagnose([[SEEN_AS[seen_as](log).encode()]])
    assert [hint.key for hint in found.hints if hint.severity != "info"] == []
    assert keys_of(SEEN_AS[seen_as](HEALTHY[name])) == []
