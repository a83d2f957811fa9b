# ruff: noqa: E501 - messages stand whole, as they are printed
"""Many wordings of the same causes, from the sources of sd-scripts, torch, accelerate, safetensors and the hub's
libraries, and lines that look bad in runs that are well."""

from __future__ import annotations

import pytest

from loratui.runs.hints.diagnose import diagnose

TRACEBACK = "Traceback (most recent call last):\n"
ECHO = """Traceback (most recent call last):
  File "/workspace/venv/bin/accelerate", line 8, in <module>
    sys.exit(main())
  File "/workspace/venv/lib/python3.10/site-packages/accelerate/commands/launch.py", line 1014, in launch_command
    simple_launcher(args)
  File "/workspace/venv/lib/python3.10/site-packages/accelerate/commands/launch.py", line 637, in simple_launcher
    raise subprocess.CalledProcessError(returncode=process.returncode, cmd=cmd)
subprocess.CalledProcessError: Command '['/workspace/venv/bin/python', 'sdxl_train_network.py', '--config_file', '/workspace/nan killed OutOfMemoryError.toml']' returned non-zero exit status 1.
"""

WORDINGS: list[tuple[str, str]] = [
    (
        "oom_cuda",
        TRACEBACK
        + '  File "/workspace/sd-scripts/train_network.py", line 1234, in train\n    noise_pred = self.call_unet(args, accelerator, unet, noisy_latents.requires_grad_(train_unet), timesteps, text_encoder_conds, batch, weight_dtype)\ntorch.OutOfMemoryError: CUDA out of memory. Tried to allocate 80.00 MiB. GPU 0 has a total capacity of 23.65 GiB of which 47.50 MiB is free. Process 3313 has 23.59 GiB memory in use. Of the allocated memory 22.51 GiB is allocated by PyTorch, and 614.31 MiB is reserved by PyTorch but unallocated. If reserved but unallocated memory is large try setting PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True to avoid fragmentation.\n'
        + ECHO,
    ),
    (
        "oom_cuda",
        'steps:   0%|          | 0/1600 [00:00<?, ?it/s]Traceback (most recent call last):\n  File "train_network.py", line 1, in <module>\nRuntimeError: CUDA out of memory. Tried to allocate 1024.00 MiB (GPU 0; 11.00 GiB total capacity; 9.56 GiB already allocated; 0 bytes free; 9.80 GiB reserved in total by PyTorch) If reserved memory is >> allocated memory try setting max_split_size_mb to avoid fragmentation.  See documentation for Memory Management and PYTORCH_CUDA_ALLOC_CONF\n',
    ),
    (
        "oom_cuda",
        "[rank0]: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacty of 7.79 GiB\n[rank1]: RuntimeError: NCCL communicator was aborted on rank 1.\n",
    ),
    (
        "oom_cuda",
        "torch.AcceleratorError: CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported at some other API call, so the stacktrace below might be incorrect.\nFor debugging consider passing CUDA_LAUNCH_BLOCKING=1\n",
    ),
    (
        "oom_cuda",
        "RuntimeError: CUDA error: out of memory\nCompile with `TORCH_USE_CUDA_DSA` to enable device-side assertions.\n",
    ),
    (
        "oom_cuda",
        TRACEBACK
        + '  File "x/optim.py", line 83, in wrapper\ntorch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 26.00 MiB\n'
        + ECHO,
    ),
    (
        "oom_cuda_vae",
        '  0%|          | 0/20 [00:03<?, ?it/s]\nTraceback (most recent call last):\n  File "/sd/train_network.py", line 1466, in <module>\n    trainer.train(args)\n  File "/sd/train_network.py", line 620, in train\n    train_dataset_group.new_cache_latents(vae, accelerator)\n  File "/sd/library/strategy_sd.py", line 158, in cache_batch_latents\n    self._default_cache_batch_latents(encode_by_vae, vae_device, vae_dtype, image_infos, flip_aug, alpha_mask, random_crop)\n  File "/sd/library/strategy_base.py", line 500, in _default_cache_batch_latents\n    latents_tensors = encode_by_vae(img_tensor)\ntorch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.25 GiB. GPU 0 has a total capacity of 7.66 GiB of which 1.02 GiB is free. Process 991 has 5.51 GiB memory in use.\n',
    ),
    (
        "oom_cublas",
        "RuntimeError: CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`\n",
    ),
    (
        "oom_cublas",
        "RuntimeError: cuDNN error: CUDNN_STATUS_INTERNAL_ERROR\nYou can try to repro this exception using the following code snippet.\n",
    ),
    (
        "oom_cublas",
        "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasLtCreate(&handle)`",
    ),
    (
        "oom_ram",
        "[1]    23123 killed     accelerate launch --num_cpu_threads_per_process=2 train_network.py\n",
    ),
    (
        "oom_ram",
        "/usr/bin/bash: line 1:  1234 Killed                  python3 sdxl_train_network.py --config_file=a.toml\n",
    ),
    (
        "oom_ram",
        TRACEBACK
        + "  File \"/workspace/venv/bin/accelerate\", line 8, in <module>\n    sys.exit(main())\n  File \"/workspace/venv/lib/python3.10/site-packages/accelerate/commands/launch.py\", line 1014, in launch_command\n    simple_launcher(args)\n  File \"/workspace/venv/lib/python3.10/site-packages/accelerate/commands/launch.py\", line 637, in simple_launcher\n    raise subprocess.CalledProcessError(returncode=process.returncode, cmd=cmd)\nsubprocess.CalledProcessError: Command '['/workspace/venv/bin/python', 'sdxl_train_network.py', '--config_file', '/workspace/nan killed OutOfMemoryError.toml']' died with <Signals.SIGKILL: 9>.\n",
    ),
    (
        "oom_ram",
        "RuntimeError: [enforce fail at alloc_cpu.cpp:114] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 157286400 bytes. Error code 12 (Cannot allocate memory)\n",
    ),
    (
        "oom_ram",
        "RuntimeError: [enforce fail at ..\\c10\\core\\impl\\alloc_cpu.cpp:72] data. DefaultCPUAllocator: not enough memory: you tried to allocate 4915200 bytes.\n",
    ),
    ("oom_ram", TRACEBACK + '  File "/x/state_dict.py", line 1\nMemoryError\n'),
    (
        "oom_ram",
        "numpy._core._exceptions._ArrayMemoryError: Unable to allocate 48.0 MiB for an array with shape (2048, 2048, 3) and data type float32\n",
    ),
    (
        "oom_ram",
        "numpy.core._exceptions.MemoryError: Unable to allocate 12.0 MiB for an array with shape (1536, 1024, 3)",
    ),
    (
        "dl_worker_died",
        TRACEBACK
        + '  File "/x/torch/utils/data/dataloader.py", line 1133, in _try_get_data\n    data = self._data_queue.get(timeout=timeout)\nRuntimeError: DataLoader worker (pid 4231) is killed by signal: Killed.\n',
    ),
    ("dl_worker_died", "RuntimeError: DataLoader worker (pid(s) 4231) exited unexpectedly\n"),
    (
        "shm_bus",
        "ERROR: Unexpected bus error encountered in worker. This might be caused by insufficient shared memory (shm).\nRuntimeError: DataLoader worker (pid 101) is killed by signal: Bus error. It is possible that dataloader's workers are out of shared memory. Please try to raise your shared memory limit.\n",
    ),
    (
        "shm_bus",
        "RuntimeError: unable to open shared memory object </torch_1234_567> in read-write mode: No space left on device (28)\n",
    ),
    (
        "win_pagefile",
        "OSError: The paging file is too small for this operation to complete. (os error 1455)\n",
    ),
    (
        "win_pagefile",
        'OSError: [WinError 1455] Die Auslagerungsdatei ist zu klein, um diesen Vorgang durchzuführen. Error loading "C:\\kohya\\venv\\lib\\site-packages\\torch\\lib\\cudnn_cnn_infer64_8.dll" or one of its dependencies.\n',
    ),
    (
        "sig_segv",
        TRACEBACK
        + "  File \"/workspace/venv/bin/accelerate\", line 8, in <module>\n    sys.exit(main())\n  File \"/workspace/venv/lib/python3.10/site-packages/accelerate/commands/launch.py\", line 1014, in launch_command\n    simple_launcher(args)\n  File \"/workspace/venv/lib/python3.10/site-packages/accelerate/commands/launch.py\", line 637, in simple_launcher\n    raise subprocess.CalledProcessError(returncode=process.returncode, cmd=cmd)\nsubprocess.CalledProcessError: Command '['/workspace/venv/bin/python', 'sdxl_train_network.py', '--config_file', '/workspace/nan killed OutOfMemoryError.toml']' died with <Signals.SIGSEGV: 11>.\n",
    ),
    ("sig_segv", "Segmentation fault (core dumped)\n"),
    (
        "sig_segv",
        "train.sh: line 12: 4711 Aborted                 (core dumped) accelerate launch train.py\n",
    ),
    (
        "sig_term",
        TRACEBACK
        + "  File \"/workspace/venv/bin/accelerate\", line 8, in <module>\n    sys.exit(main())\n  File \"/workspace/venv/lib/python3.10/site-packages/accelerate/commands/launch.py\", line 1014, in launch_command\n    simple_launcher(args)\n  File \"/workspace/venv/lib/python3.10/site-packages/accelerate/commands/launch.py\", line 637, in simple_launcher\n    raise subprocess.CalledProcessError(returncode=process.returncode, cmd=cmd)\nsubprocess.CalledProcessError: Command '['/workspace/venv/bin/python', 'sdxl_train_network.py', '--config_file', '/workspace/nan killed OutOfMemoryError.toml']' died with <Signals.SIGTERM: 15>.\n",
    ),
    (
        "sig_term",
        "torch.distributed.elastic.multiprocessing.api.SignalException: Process 1331 got signal: 1\n",
    ),
    (
        "user_stop",
        TRACEBACK
        + '  File "/x/train_network.py", line 1300, in train\n    accelerator.backward(loss)\nKeyboardInterrupt\n',
    ),
    (
        "user_stop",
        "steps:  10%|█| 100/1000 [01:00<09:00,  1.6it/s, avr_loss=0.1]^CTraceback (most recent call last):\n  File \"a\", line 1\nKeyboardInterrupt\nTraceback (most recent call last):\n  File \"/workspace/venv/bin/accelerate\", line 8, in <module>\n    sys.exit(main())\n  File \"/workspace/venv/lib/python3.10/site-packages/accelerate/commands/launch.py\", line 1014, in launch_command\n    simple_launcher(args)\n  File \"/workspace/venv/lib/python3.10/site-packages/accelerate/commands/launch.py\", line 637, in simple_launcher\n    raise subprocess.CalledProcessError(returncode=process.returncode, cmd=cmd)\nsubprocess.CalledProcessError: Command '['/workspace/venv/bin/python', 'sdxl_train_network.py', '--config_file', '/workspace/nan killed OutOfMemoryError.toml']' died with <Signals.SIGINT: 2>.\n",
    ),
    ("loss_nan", "steps:   6%|▌         | 97/1600 [02:31<39:04,  1.56s/it, avr_loss=nan]\n"),
    (
        "loss_nan",
        "steps:   6%|▌         | 97/1600 [02:31<39:04,  1.56s/it, Average key norm=0.12, Keys Scaled=3, avr_loss=nan]\r\n",
    ),
    ("nan_latents", "RuntimeError: NaN detected in latents: /workspace/train/10_cat/img 001.png\n"),
    (
        "disk_full",
        'safetensors_rust.SafetensorError: Error while serializing: IoError(Os { code: 28, kind: StorageFull, message: "No space left on device" })\n'
        + ECHO,
    ),
    ("disk_full", TRACEBACK + '  File "a.py", line 3\nOSError: [Errno 28] No space left on device\n'),
    ("disk_full", "RuntimeError: [enforce fail at inline_container.cc:603] . unexpected pos 2048 vs 1994\n"),
    ("disk_full", "OSError: [Errno 28] No space left on device: '/workspace/out/last-state/optimizer.bin'"),
    ("disk_full", "OSError: [Errno 122] Disk quota exceeded\n"),
    ("emfile", "OSError: [Errno 24] Too many open files\n"),
    (
        "emfile",
        "RuntimeError: unable to open shared memory object </torch_12_3> in read-write mode: Too many open files (24)\n",
    ),
    ("permission", "PermissionError: [Errno 13] Permission denied: '/workspace/out/sample'\n"),
    (
        "output_dir_bad",
        TRACEBACK
        + '  File "/sd/library/train_util.py", line 5830, in save_sd_model_on_epoch_end_or_stepwise_common\n    os.makedirs(args.output_dir, exist_ok=True)\n  File "/usr/lib/python3.10/os.py", line 225, in makedirs\n    mkdir(name, mode)\nFileNotFoundError: [Errno 2] No such file or directory: \'/mnt/gone/out\'\n',
    ),
    (
        "script_missing",
        "/workspace/venv/bin/python: can't open file '/workspace/sd-scripts/sdxl_train_networks.py': [Errno 2] No such file or directory\n"
        + ECHO,
    ),
    (
        "config_missing",
        "INFO     /workspace/cfg/run.toml not found.                                   train_util.py:4741\n",
    ),
    ("config_missing", "ValueError: file not found / ファイルが見つかりません: /workspace/dataset.toml\n"),
    (
        "mod_lion",
        TRACEBACK
        + '  File "/sd/library/train_util.py", line 4800, in get_optimizer\n    import lion_pytorch\nModuleNotFoundError: No module named \'lion_pytorch\'\n\nDuring handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n  File "x"\nImportError: No lion_pytorch / lion_pytorch がインストールされていないようです\n',
    ),
    ("mod_prodigy", "ImportError: No Prodigy / Prodigy がインストールされていないようです\n" + ECHO),
    ("mod_prodigy", "ModuleNotFoundError: No module named 'prodigyopt'\n"),
    ("mod_bnb", "ImportError: No bitsandbytes / bitsandbytesがインストールされていないようです\n"),
    (
        "mod_bnb",
        "AttributeError: No PagedAdamW8bit. The version of bitsandbytes installed seems to be old. Please install newer. / PagedAdamW8bitが定義されていません。\n",
    ),
    ("mod_dadapt", "ImportError: No dadaptation / dadaptation がインストールされていないようです\n"),
    ("mod_schedulefree", "ImportError: No schedulefree / schedulefreeがインストールされていないようです\n"),
    ("mod_wandb", "ImportError: No wandb / wandb がインストールされていないようです\n"),
    ("mod_xformers", "ImportError: No xformers / xformersがインストールされていないようです\n"),
    ("mod_xformers", "ModuleNotFoundError: No module named 'xformers'\n"),
    (
        "mod_xformers",
        "ModuleNotFoundError: Refer to https://github.com/facebookresearch/xformers for more information on how to install xformers\n",
    ),
    (
        "mod_lycoris",
        "import network module: lycoris.kohya\nTraceback (most recent call last):\n  File \"/sd/train_network.py\", line 520, in train\n    network_module = importlib.import_module(args.network_module)\nModuleNotFoundError: No module named 'lycoris'\n",
    ),
    ("accelerate_missing", "bash: accelerate: command not found\n"),
    ("accelerate_missing", "zsh: command not found: accelerate\n"),
    ("accelerate_missing", "/usr/bin/python3: No module named accelerate\n"),
    (
        "accelerate_missing",
        "/venv/bin/python: Error while finding module specification for 'accelerate.commands.launch' (ModuleNotFoundError: No module named 'accelerate')\n",
    ),
    (
        "accelerate_missing",
        TRACEBACK
        + "  File \"/sd/train_network.py\", line 20, in <module>\n    from accelerate.utils import set_seed\nModuleNotFoundError: No module named 'accelerate'\n",
    ),
    ("tv_mismatch", "RuntimeError: operator torchvision::nms does not exist\n"),
    (
        "tv_mismatch",
        "AttributeError: partially initialized module 'torchvision' has no attribute 'extension' (most likely due to a circular import)\n",
    ),
    (
        "tv_mismatch",
        "RuntimeError: Detected that PyTorch and torchvision were compiled with different CUDA major versions. PyTorch has CUDA Version=12.8 and torchvision has CUDA Version=11.8. Please reinstall the torchvision that matches your PyTorch install.\n",
    ),
    (
        "network_module_bad",
        "import network module: network.lora\nTraceback (most recent call last):\n  File \"x\", line 1\nModuleNotFoundError: No module named 'network'\n",
    ),
    (
        "mod_generic",
        TRACEBACK
        + "  File \"/sd/train_network.py\", line 16, in <module>\n    import toml\nModuleNotFoundError: No module named 'toml'\n"
        + ECHO,
    ),
    ("mod_generic", "ModuleNotFoundError: No module named 'imagesize'\n"),
    ("mod_generic", "ModuleNotFoundError: No module named 'cv2'\n"),
    ("mod_generic", "ModuleNotFoundError: No module named 'library'\n"),
    ("mod_generic", "importlib.metadata.PackageNotFoundError: No package metadata was found for einops\n"),
    (
        "hub_api",
        "ImportError: cannot import name 'cached_download' from 'huggingface_hub' (/venv/lib/python3.10/site-packages/huggingface_hub/__init__.py)\n",
    ),
    (
        "hub_api",
        "ImportError: cannot import name 'HfFolder' from 'huggingface_hub' (/x/huggingface_hub/__init__.py)\n",
    ),
    (
        "hub_api",
        "ImportError: huggingface-hub>=0.23.2,<1.0 is required for a normal functioning of this module, but found huggingface-hub==1.2.3.\n",
    ),
    (
        "protobuf",
        "TypeError: Descriptors cannot not be created directly.\nIf this call came from a _pb2.py file, your generated code is out of date and must be regenerated with protoc >= 3.19.0.\n",
    ),
    (
        "numpy2",
        'A module that was compiled using NumPy 1.x cannot be run in\nNumPy 2.1.2 as it may crash. To support both 1.x and 2.x\nversions of NumPy, modules must be compiled with NumPy 2.0.\nTraceback (most recent call last):\n  File "cv2"\nImportError: numpy.core.multiarray failed to import\n',
    ),
    (
        "numpy2",
        "ValueError: numpy.dtype size changed, may indicate binary incompatibility. Expected 96 from C header, got 88 from PyObject\n",
    ),
    ("numpy2", "RuntimeError: Numpy is not available\n"),
    ("libgl", "ImportError: libGL.so.1: cannot open shared object file: No such file or directory\n"),
    (
        "pip_resolve",
        "ERROR: Could not find a version that satisfies the requirement torch==2.1.2+cu118 (from versions: 2.2.0, 2.3.0)\nERROR: No matching distribution found for torch==2.1.2+cu118\n",
    ),
    (
        "bnb_cuda",
        "RuntimeError: \n        CUDA Setup failed despite GPU being available. Please run the following command to get more information:\n\n        python -m bitsandbytes\n",
    ),
    (
        "bnb_cuda",
        "RuntimeError: Configured CUDA binary not found at /venv/lib/python3.10/site-packages/bitsandbytes/libbitsandbytes_cuda128.so\n",
    ),
    ("bnb_cuda", "AttributeError: 'NoneType' object has no attribute 'cget_managed_ptr'\n"),
    (
        "driver_old",
        "RuntimeError: The NVIDIA driver on your system is too old (found version 11040). Please update your GPU driver by downloading and installing a new version from the URL\n",
    ),
    (
        "driver_old",
        "RuntimeError: Unexpected error from cudaGetDeviceCount(). Did you run some cuda functions before calling NumCudaDevices() that might have already set an error? Error 803: system has unsupported display driver / cuda driver combination\n",
    ),
    (
        "torch_arch",
        "RuntimeError: CUDA error: no kernel image is available for execution on the device\nCUDA kernel errors might be asynchronously reported\n",
    ),
    (
        "torch_arch",
        "UserWarning: \nNVIDIA GeForce RTX 5090 with CUDA capability sm_120 is not compatible with the current PyTorch installation.\nThe current PyTorch install supports CUDA capabilities sm_50 sm_60 sm_70 sm_75 sm_80 sm_86 sm_90.\nTraceback (most recent call last):\nRuntimeError: CUDA error: no kernel image is available for execution on the device\n",
    ),
    (
        "xformers_build",
        "NotImplementedError: No operator found for `memory_efficient_attention_forward` with inputs:\n     query       : shape=(2, 4096, 8, 40) (torch.float16)\n",
    ),
    ("gpu_hw", "RuntimeError: CUDA error: uncorrectable ECC error encountered\n"),
    (
        "gpu_hw",
        "RuntimeError: CUDA error: unspecified launch failure\nNVRM: Xid (PCI:0000:01:00): 79, pid=1, GPU has fallen off the bus.\n",
    ),
    ("cuda_crash", "RuntimeError: CUDA error: an illegal memory access was encountered\n"),
    ("cuda_crash", "RuntimeError: CUDA error: device-side assert triggered\n"),
    ("cuda_crash", "torch.AcceleratorError: CUDA error: unspecified launch failure\n"),
    ("multi_gpu_cfg", "torch.AcceleratorError: CUDA error: invalid device ordinal\n"),
    (
        "rtx4000_p2p",
        'NotImplementedError: Using RTX 4000 series doesn\'t support faster communication broadband via P2P or IB. Please set `NCCL_P2P_DISABLE="1"` and `NCCL_IB_DISABLE="1" or use `accelerate launch` which will do this automatically.\n',
    ),
    ("torch_cpu", "AssertionError: Torch not compiled with CUDA enabled\n"),
    ("torch_cpu", "RuntimeError: No CUDA GPUs are available\n"),
    (
        "torch_cpu",
        "RuntimeError: Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU and installed a driver from http://www.nvidia.com/Download/index.aspx\n",
    ),
    ("mp_unsupported", "ValueError: bf16 mixed precision requires PyTorch >= 1.10 and a supported device.\n"),
    ("torch_cpu", "ValueError: fp16 mixed precision requires a GPU (not 'cpu').\n"),
    ("unscale_fp16", "ValueError: Attempting to unscale FP16 gradients.\n"),
    ("dtype_mismatch", "RuntimeError: Input type (c10::Half) and bias type (float) should be the same\n"),
    ("dtype_mismatch", "RuntimeError: expected scalar type Half but found Float\n"),
    ("dtype_mismatch", "RuntimeError: mat1 and mat2 must have the same dtype, but got Float and BFloat16\n"),
    (
        "accelerate_args",
        "usage: accelerate <command> [<args>]\naccelerate: error: unrecognized arguments: --num_cpu_thread=2\n",
    ),
    (
        "port_used",
        "RuntimeError: The server socket has failed to listen on any local network address. The server socket has failed to bind to [::]:29500 (errno: 98 - Address already in use).\n",
    ),
    (
        "port_used",
        "torch.distributed.DistNetworkError: The server socket has failed to listen on any local network address. port: 29500, useIpv6: false, code: -98, name: EADDRINUSE, message: address already in use\n",
    ),
    (
        "port_used",
        "ConnectionError: Tried to launch distributed communication on port `29500`, but another process is utilizing it. Please specify a different port (such as using the `--main_process_port` flag or specifying a different `main_process_port` in your config file)\n",
    ),
    (
        "nccl",
        "torch.distributed.DistBackendError: NCCL error in: ../torch/csrc/distributed/c10d/ProcessGroupNCCL.cpp:1331, unhandled system error (run with NCCL_DEBUG=INFO for details), NCCL version 2.20.5\n",
    ),
    (
        "nccl",
        "[rank0]:[E ProcessGroupNCCL.cpp:523] [Rank 0] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=1234, OpType=ALLREDUCE, NumelIn=1, NumelOut=1, Timeout(ms)=600000) ran for 600410 milliseconds before timing out.\n",
    ),
    (
        "spawn",
        "RuntimeError: \n        An attempt has been made to start a new process before the\n        current process has finished its bootstrapping phase.\n",
    ),
    (
        "encoding_console",
        "UnicodeEncodeError: 'charmap' codec can't encode characters in position 0-3: character maps to <undefined>\n",
    ),
    (
        "encoding_console",
        "UnicodeEncodeError: 'cp932' codec can't encode character '\\u2588' in position 5: illegal multibyte sequence\n",
    ),
    (
        "folder_repeats",
        "WARNING  ignore directory without repeats / 繰り返し回数のないディレクトリを無視します: hero    config_util.py:621\nERROR    No data found. Please verify arguments (train_data_dir must be the parent of folders with images)  train_network.py:575\n",
    ),
    (
        "no_data",
        "ERROR    No data found. Please verify arguments (train_data_dir must be the parent of folders with images) / 画像がありません。引数指定を確認してください（train_data_dirには画像があるフォルダではなく、画像があるフォルダの親フォルダを指定する必要があります）\n",
    ),
    (
        "caption_empty",
        "AssertionError: caption file is empty / キャプションファイルが空です: /data/10_cat/a.txt\n",
    ),
    (
        "caption_encoding",
        "ERROR    illegal char in file (not UTF-8) / ファイルにUTF-8以外の文字があります: /data/10_cat/a.txt\nTraceback (most recent call last):\nUnicodeDecodeError: 'utf-8' codec can't decode byte 0xe9 in position 4: invalid continuation byte\n",
    ),
    ("image_corrupt", "PIL.UnidentifiedImageError: cannot identify image file '/data/10_cat/a.png'\n"),
    ("image_corrupt", "OSError: image file is truncated (12 bytes not processed)\n"),
    ("image_corrupt", "SyntaxError: broken PNG file (chunk b'IDAT')\n"),
    (
        "image_too_small",
        TRACEBACK
        + '  File "/sd/library/model_util.py", line 900, in select_bucket\n    ar_width_rounded = reso[0] / reso[1]\nZeroDivisionError: float division by zero\n',
    ),
    ("resolution_missing", "AssertionError: resolution is required / resolution（解像度）指定は必須です\n"),
    (
        "bucket_bounds",
        "AssertionError: min_bucket_reso must be equal or less than resolution. / min_bucket_resoは最小解像度より大きくできません。解像度を大きくするかmin_bucket_resoを小さくしてください\n",
    ),
    ("bucket_bounds", "ValueError: bucket_reso_steps is 32. it must be divisible by 64.\n"),
    (
        "aug_cache",
        "AssertionError: when caching latents, either color_aug or random_crop cannot be used / latentをキャッシュするときはcolor_augとrandom_cropは使えません\n",
    ),
    (
        "te_cache_caption",
        "AssertionError: when caching Text Encoder output, either caption_dropout_rate, shuffle_caption, token_warmup_step or caption_tag_dropout_rate cannot be used / Text Encoderの出力をキャッシュするときは\n",
    ),
    (
        "te_cache_train",
        "AssertionError: network for Text Encoder cannot be trained with caching Text Encoder outputs / Text Encoderの出力をキャッシュしながらText Encoderのネットワークを学習することはできません\n",
    ),
    (
        "noise_args",
        "ValueError: adaptive_noise_scale requires noise_offset / adaptive_noise_scaleを使用するにはnoise_offsetが必要です\n",
    ),
    ("sched_warmup", "ValueError: constant does not require `num_warmup_steps`. Set None or 0.\n"),
    ("sched_unknown", "ValueError: 'cosine_with_warmup' is not a valid SchedulerType\n"),
    ("opt_unknown", "AttributeError: module 'torch.optim' has no attribute 'AdamW9bit'\n"),
    ("opt_args", "TypeError: AdamW.__init__() got an unexpected keyword argument 'weigth_decay'\n"),
    (
        "opt_args",
        TRACEBACK
        + '  File "/sd/library/train_util.py", line 4700, in get_optimizer\n    key, value = arg.split("=")\nValueError: not enough values to unpack (expected 2, got 1)\n',
    ),
    (
        "net_args",
        TRACEBACK
        + '  File "/sd/train_network.py", line 540, in train\n    key, value = net_arg.split("=")\nValueError: not enough values to unpack (expected 2, got 1)\n',
    ),
    (
        "prodigy_rates",
        "RuntimeError: Setting different lr values in different parameter groups is only supported for values of 0\n",
    ),
    (
        "net_dim_mismatch",
        "RuntimeError: Error(s) in loading state_dict for LoRANetwork:\n\tsize mismatch for lora_unet_down_blocks_0.lora_down.weight: copying a param with shape torch.Size([16, 320]) from checkpoint, the shape in current model is torch.Size([32, 320]).\n",
    ),
    (
        "tb_logdir",
        "ValueError: logging_dir is required when log_with is tensorboard / Tensorboardを使う場合、logging_dirを指定してください\n",
    ),
    (
        "wandb_login",
        "wandb.errors.errors.UsageError: api_key not configured (no-tty). call wandb.login(key=[your_api_key])\n",
    ),
    ("wandb_login", "wandb.errors.UsageError: No API key configured. Use `wandb login` to log in.\n"),
    (
        "config_key",
        "voluptuous.error.MultipleInvalid: extra keys not allowed @ data['datasets'][0]['subsets'][0]['num_repeat']\n",
    ),
    (
        "config_syntax",
        "toml.decoder.TomlDecodeError: invalid literal for int() with base 0: 'True' (line 4 column 1 char 80)\n",
    ),
    (
        "config_syntax",
        "toml.decoder.TomlDecodeError: Reserved escape sequence used (line 1 column 1 char 0)\n",
    ),
    (
        "bad_cli_arg",
        "train_network.py: error: unrecognized arguments: --foo=1\nTraceback (most recent call last):\n  File \"/workspace/venv/bin/accelerate\", line 8, in <module>\n    sys.exit(main())\n  File \"/workspace/venv/lib/python3.10/site-packages/accelerate/commands/launch.py\", line 1014, in launch_command\n    simple_launcher(args)\n  File \"/workspace/venv/lib/python3.10/site-packages/accelerate/commands/launch.py\", line 637, in simple_launcher\n    raise subprocess.CalledProcessError(returncode=process.returncode, cmd=cmd)\nsubprocess.CalledProcessError: Command '['/workspace/venv/bin/python', 'sdxl_train_network.py', '--config_file', '/workspace/nan killed OutOfMemoryError.toml']' returned non-zero exit status 2.\n",
    ),
    (
        "bad_cli_arg",
        "sdxl_train_network.py: error: argument --mixed_precision: invalid choice: 'fp8' (choose from 'no', 'fp16', 'bf16')\n",
    ),
    (
        "weights_only",
        "_pickle.UnpicklingError: Weights only load failed. This file can still be loaded, to do so you have two options, \x1b[1mdo those steps only if you trust the source of the checkpoint\x1b[0m. \n",
    ),
    (
        "net_weights_missing",
        TRACEBACK
        + '  File "/sd/networks/lora.py", line 900, in load_weights\n    weights_sd = load_file(file)\nFileNotFoundError: No such file or directory: "/workspace/base_lora.safetensors"\n',
    ),
    (
        "model_variant",
        "ValueError: You are trying to load model files of the `variant=fp16`, but no such modeling files are available.\n",
    ),
    (
        "model_missing",
        'ValueError: The provided pretrained_model_name_or_path "/workspace/models/pony.safetensors" is neither a valid local path nor a valid repo id. Please check the parameter.\n',
    ),
    (
        "st_corrupt",
        "safetensors_rust.SafetensorError: Error while deserializing header: MetadataIncompleteBuffer\n",
    ),
    ("st_corrupt", "safetensors_rust.SafetensorError: Error while deserializing header: HeaderTooLarge\n"),
    (
        "st_corrupt",
        "safetensors_rust.SafetensorError: Error while deserializing header: incomplete metadata, file not fully covered\n",
    ),
    (
        "st_corrupt",
        "safetensors_rust.SafetensorError: Error while deserializing header: InvalidHeaderDeserialization\n",
    ),
    ("ckpt_corrupt", "_pickle.UnpicklingError: invalid load key, '<'.\n"),
    (
        "ckpt_corrupt",
        "RuntimeError: PytorchStreamReader failed reading zip archive: failed finding central directory\n",
    ),
    (
        "v2_flag",
        "RuntimeError: Error(s) in loading state_dict for UNet2DConditionModel:\n\tsize mismatch for down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight: copying a param with shape torch.Size([320, 1024]) from checkpoint, the shape in current model is torch.Size([320, 768]).\n",
    ),
    ("wrong_arch", "KeyError: 'time_embed.0.weight'\n"),
    (
        "wrong_arch",
        'RuntimeError: Error(s) in loading state_dict for SdxlUNet2DConditionModel:\n\tMissing key(s) in state_dict: "label_emb.0.0.weight", "input_blocks.4.1.transformer_blocks.1.attn1.to_q.weight"\n',
    ),
    (
        "hf_gated",
        "huggingface_hub.errors.GatedRepoError: 403 Client Error. (Request ID: Root=1-66-aa;bb)\n\nCannot access gated repo for url https://huggingface.co/black-forest-labs/FLUX.1-dev/resolve/main/ae.safetensors.\nAccess to model black-forest-labs/FLUX.1-dev is restricted and you are not in the authorized list. Visit https://huggingface.co/black-forest-labs/FLUX.1-dev to ask for access.\n",
    ),
    (
        "hf_gated",
        "OSError: You are trying to access a gated repo.\nMake sure to have access to it at https://huggingface.co/black-forest-labs/FLUX.1-dev.\n401 Client Error.\n",
    ),
    (
        "hf_token",
        "huggingface_hub.errors.HfHubHTTPError: 401 Client Error: Unauthorized for url: https://huggingface.co/api/whoami-v2\nInvalid user token.\n",
    ),
    (
        "hf_token",
        "huggingface_hub.errors.LocalTokenNotFoundError: Token is required (`token=True`), but no token found. You need to provide a token or be logged in to Hugging Face with `hf auth login`\n",
    ),
    (
        "hf_server",
        "huggingface_hub.errors.HfHubHTTPError: 503 Server Error: Service Temporarily Unavailable for url: https://huggingface.co/api/models/x\n",
    ),
    (
        "hf_server",
        "requests.exceptions.HTTPError: 429 Client Error: Too Many Requests for url: https://huggingface.co/openai/clip-vit-large-patch14/resolve/main/config.json\n",
    ),
    (
        "hf_404",
        "huggingface_hub.errors.RepositoryNotFoundError: 404 Client Error. (Request ID: Root=1-1)\n\nRepository Not Found for url: https://huggingface.co/api/models/runwayml/stable-diffusion-v1-5.\n",
    ),
    (
        "hf_404",
        "huggingface_hub.errors.EntryNotFoundError: 404 Client Error. Entry Not Found for url: https://huggingface.co/x/y/resolve/main/model_index.json.\n",
    ),
    (
        "hf_badid",
        "huggingface_hub.errors.HFValidationError: Repo id must be in the form 'repo_name' or 'namespace/repo_name': '/workspace/models/a/b'. Use `repo_type` argument if needed.\n",
    ),
    (
        "hf_offline",
        "OSError: We couldn't connect to 'https://huggingface.co' to load the files, and couldn't find them in the cached files.\nCheck your internet connection or see how to run the library in offline mode at 'https://huggingface.co/docs/transformers/installation#offline-mode'.\n",
    ),
    (
        "hf_offline",
        "huggingface_hub.errors.LocalEntryNotFoundError: An error happened while trying to locate the file on the Hub and we cannot find the requested files in the local cache. Please check your connection and try again or make sure your Internet connection is on.\n",
    ),
    (
        "hf_offline",
        "OSError: Can't load tokenizer for 'openai/clip-vit-large-patch14'. If you were trying to load it from 'https://huggingface.co/models', make sure you don't have a local directory with the same name.\n",
    ),
    (
        "peft_targets",
        "ValueError: Target modules {'to_k', 'to_q'} not found in the base model. Please check the target modules and try again.\n",
    ),
    ("oom_ram", "Exception in thread Thread-3:\nOSError: [Errno 12] Cannot allocate memory\n"),
    (
        "torch_cpu",
        "RuntimeError: Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is False. If you are running on a CPU-only machine, please use torch.load with map_location=torch.device('cpu') to map your storages to the CPU.\n",
    ),
    (
        "hf_offline",
        "requests.exceptions.ConnectionError: (MaxRetryError(\"HTTPSConnectionPool(host='huggingface.co', port=443): Max retries exceeded with url: /openai/clip-vit-large-patch14/resolve/main/vocab.json (Caused by NameResolutionError(\\\"<urllib3.connection.HTTPSConnection object>: Failed to resolve 'huggingface.co' ([Errno -3] Temporary failure in name resolution)\\\"))\"), '(Request ID: 1)')\n",
    ),
    (
        "hf_offline",
        "huggingface_hub.errors.OfflineModeIsEnabled: Cannot reach https://huggingface.co/api/models: offline mode is enabled. To disable it, please unset the `HF_HUB_OFFLINE` environment variable.\n",
    ),
    ("hf_offline", "httpx.ConnectError: [Errno -2] Name or service not known\n"),
    (
        "mod_generic",
        "ImportError: This modeling file requires the following packages that were not found in your environment: flash_attn. Run `pip install flash_attn`\n",
    ),
    ("mod_bnb", "importlib.metadata.PackageNotFoundError: No package metadata was found for bitsandbytes\n"),
    (
        "bnb_cuda",
        "bitsandbytes library load error: Configured CUDA binary not found at /x/libbitsandbytes_cuda130.so\nTraceback (most recent call last):\nRuntimeError: Configured CUDA binary not found at /x/libbitsandbytes_cuda130.so\n",
    ),
    ("st_corrupt", "safetensors_rust.SafetensorError: Error while deserializing header: header too large\n"),
    (
        "st_corrupt",
        "safetensors_rust.SafetensorError: Error while deserializing header: invalid JSON in header: expected value at line 1 column 1\n",
    ),
    ("image_corrupt", "OSError: unrecognized data stream contents when reading image file\n"),
    (
        "image_corrupt",
        "PIL.Image.DecompressionBombError: Image size (400000000 pixels) exceeds limit of 357913940 pixels, could be decompression bomb DOS attack.\n",
    ),
    ("image_corrupt", "OSError: broken data stream when reading image file\n"),
    (
        "image_corrupt",
        'WARNING  failed to get image size: /data/10_cat/a.png   train_util.py:1\nTraceback (most recent call last):\n  File "/sd/library/train_util.py", line 200, in select_bucket\n    aspect_ratio = image_width / image_height\nZeroDivisionError: division by zero\n',
    ),
    ("gpu_hw", "RuntimeError: CUDA error: GPU is lost. Reboot the system to recover this GPU\n"),
    (
        "driver_old",
        "RuntimeError: CUDA error: the provided PTX was compiled with an unsupported toolchain.\n",
    ),
    ("torch_arch", "RuntimeError: CUDA error: device kernel image is invalid\n"),
    ("multi_gpu_cfg", "ValueError: You need to use at least 2 processes to use `--multi_gpu`\n"),
    ("multi_gpu_cfg", "RuntimeError: CUDA error: invalid device ordinal\n"),
    ("output_dir_bad", "OSError: [Errno 30] Read-only file system: '/mnt/ro/out'\n"),
    (
        "config_syntax",
        "json.decoder.JSONDecodeError: Expecting property name enclosed in double quotes: line 2 column 1 (char 2)\n",
    ),
    (
        "sig_segv",
        "torch.distributed.elastic.multiprocessing.api: failed (exitcode: -11) local_rank: 0 (pid: 99) of binary: /venv/bin/python\n",
    ),
    (
        "oom_ram",
        "E0101 10:00:00.000000 140000 torch/distributed/elastic/multiprocessing/api.py:869] failed (exitcode: -9) local_rank: 1 (pid: 4242) of binary: /venv/bin/python3\n",
    ),
]

START = """2026-01-02 03:04:05 INFO     Loading settings from /workspace/cfg/nan killed OutOfMemoryError.toml...   train_util.py:4746
                    INFO     /workspace/cfg/run                                                              train_util.py:4765
                    INFO     prepare tokenizer                                                               strategy_sd.py:26
                    INFO     Using DreamBooth method.                                                         train_network.py:517
                    WARNING  ignore directory without repeats / 繰り返し回数のないディレクトリを無視します: .ipynb_checkpoints   config_util.py:621
                    WARNING  No caption file found for 3 images. Training will continue without captions for these images. If class token exists, it will be used. train_util.py:2001
                    WARNING  no regularization images / 正則化画像が見つかりませんでした                        config_util.py:592
{extra}
running training / 学習開始
  num train images * repeats / 学習画像の数×繰り返し回数: 240
  num batches per epoch / 1epochのバッチ数: 120
  total optimization steps / 学習ステップ数: 40
steps:   0%|          | 0/40 [00:00<?, ?it/s]
epoch 1/1
"""

HARMLESS = [
    "A matching Triton is not available, some optimizations will not be enabled\nTraceback (most recent call last):\n  File \"/v/xformers/__init__.py\", line 57, in _is_triton_available\n    import triton  # noqa\nModuleNotFoundError: No module named 'triton'",
    "2026-01-01 10:00:00.123456: E external/local_xla/xla/stream_executor/cuda/cuda_dnn.cc:9261] Unable to register cuDNN factory: Attempting to register factory for plugin cuDNN when one has already been registered",
    "W0000 00:00:1700000000.1 1234 gpu_device.cc:2344] Cannot dlopen some GPU libraries. Please make sure the missing libraries mentioned above are installed properly",
    "/v/torch/utils/checkpoint.py:429: UserWarning: torch.utils.checkpoint: please pass in use_reentrant=True or use_reentrant=False explicitly.\n  warnings.warn(",
    '/v/torch/optim/lr_scheduler.py:224: UserWarning: Detected call of `lr_scheduler.step()` before `optimizer.step()`. \n  warnings.warn("Detected call")',
    "The following values were not passed to `accelerate launch` and had defaults used instead:\n\t`--num_processes` was set to a value of `1`\n\t`--num_machines` was set to a value of `1`\nTo avoid this warning pass in values for each of the problematic parameters or run `accelerate config`.",
    "FutureWarning: `torch.cuda.amp.GradScaler(args...)` is deprecated. Please use `torch.amp.GradScaler('cuda', args...)` instead.",
    "UserWarning: The operator 'aten::_upsample' is not currently supported, falling back to CPU. This may cause out of memory problems. RuntimeWarning: error",
    "[2026-01-01 00:00:00,000] [WARNING] [real_accelerator.py:162:get_accelerator] Setting accelerator to CPU. If you have GPU or other accelerator, we were unable to detect it.",
    "Error: Failed to initialize NVML: Driver/library version mismatch (ignored)",
    "libibverbs: Warning: couldn't load driver 'libhfi1verbs-rdmav34.so': libhfi1verbs-rdmav34.so: cannot open shared object file: No such file or directory",
    "WARNING:root:Pip subprocess error ignored\nWARNING: The directory '/root/.cache/pip' or its parent directory is not owned or is not writable by the current user.",
    "bin /v/bitsandbytes/libbitsandbytes_cuda121.so\n/v/bitsandbytes/cuda_setup/main.py:166: UserWarning: Welcome to bitsandbytes. For bug reports, please run\npython -m bitsandbytes",
    "                    INFO     loading u-net: <All keys matched successfully>   model_util.py:1330\n                    INFO     text encoder missing keys: _IncompatibleKeys(missing_keys=[], unexpected_keys=['text_model.embeddings.position_ids'])",
    "  caption: a cat, killed, Segmentation fault (core dumped), CUDA error: out of memory, RuntimeError: nope\n  prompt: nan, loss=nan, Traceback (most recent call last)",
    '    image_dir: "/data/1_KeyboardInterrupt MemoryError"\n    class_tokens: Killed',
    'skipping 0 steps because no previous steps\nException ignored in: <function _ConnectionBase.__del__ at 0x7f>\nTraceback (most recent call last):\n  File "multiprocessing/connection.py", line 132, in __del__\nOSError: [Errno 9] Bad file descriptor',
    "wandb: WARNING Path /out/wandb/ wasn't writable, using system temp directory.\nwandb: Network error (ConnectionError), entering retry loop.",
    "No module named 'triton'\nerror: XDG_RUNTIME_DIR not set in the environment.",
    "'NoneType' object has no attribute 'start'  (tensorboard, ignored)\nTensorBoard 2.10.1 at http://localhost:6006/ (Press CTRL+C to quit)",
    "huggingface/tokenizers: The current process just got forked, after parallelism has already been used. Disabling parallelism to avoid deadlocks...",
    "NVIDIA GeForce RTX 5090 with CUDA capability sm_120 is not compatible with the current PyTorch installation.",
    "Some weights of CLIPTextModel were not initialized from the model checkpoint: error failed",
    "Token indices sequence length is longer than the specified maximum sequence length for this model (131 > 77). Running this sequence through the model will result in indexing errors",
    "[W socket.cpp:601] [c10d] The client socket has failed to connect to [localhost]:29500 (errno: 99 - Cannot assign requested address).",
    "[rank0]:[W ProcessGroupNCCL.cpp:1538] Warning: WARNING: destroy_process_group() was not called before program exit, which can leak resources.",
    "DeprecationWarning: getdata is deprecated\nPIL.Image.DecompressionBombWarning: Image size (99999999 pixels) exceeds limit of 89478485 pixels, could be decompression bomb DOS attack.\n  warnings.warn(",
    "libpng warning: iCCP: known incorrect sRGB profile\nCorrupt JPEG data: 2 extraneous bytes before marker 0xd9",
    "retrying: HTTPSConnectionPool(host='huggingface.co', port=443): Read timed out. (read timeout=10)\nERROR:tornado: failed but fine",
    "enable full bf16 training.\noverride steps. steps for 10 epochs is / 指定エポックまでのステップ数: 40\nkilled=False nan=0",
    "loading VAE from checkpoint: /models/sdxl_vae fp16 nan fix.safetensors\nMake sure NaN is not an error: no_half_vae",
]


def bar(step: int) -> str:
    return f"steps:  {step}%|█ | {step}/40 [00:30<00:10,  1.07it/s, avr_loss=0.0{90 + step % 9}]\r"


END = (
    "".join(map(bar, range(1, 41))) + "\nsaving checkpoint: /out/loss=nan killed.safetensors\nmodel saved.\n"
)


@pytest.mark.parametrize(("key", "text"), WORDINGS, ids=[f"{key}{n}" for n, (key, _) in enumerate(WORDINGS)])
def test_the_first_hint_is_the_cause(key: str, text: str) -> None:
    found = diagnose([[text.encode()]])
    assert found.hints and found.hints[0].key == key


@pytest.mark.parametrize("line", HARMLESS)
def test_a_run_that_is_well_raises_no_alarm(line: str) -> None:
    """While it goes on, and once it is over."""
    for log in (START.replace("{extra}", line) + END, START.replace("{extra}", line) + END[:600]):
        found = diagnose([[log.encode()]])
        assert found.verdict != "failed"
        assert [hint.key for hint in found.hints if hint.severity == "fatal"] == []
