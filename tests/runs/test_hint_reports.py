# ruff: noqa: E501 - messages stand whole, as they are printed
"""Failures that people reported in issues: (key, where, text). The messages are the programs'; paths are ours."""

from __future__ import annotations

import pytest

from loratui.runs.hints.diagnose import diagnose
from tests.support.healthy_log import begun, finished

REPORTED: list[tuple[str, str, str]] = [
    ("cache_stale", "sd-scripts#677", '  File "/srv/sd-scripts/library/train_util.py", line 1130, in __getitem__\n    example["latents"] = torch.stack(latents_list) if latents_list[0] is not None else None\nRuntimeError: stack expects each tensor to be equal size, but got [4, 104, 128] at entry 0 and [4, 72, 128] at entry 1'),
    ("cache_stale", "kohya_ss#1269", "│ ❱ 1130 │   │   example[\"latents\"] = torch.stack(latents_list) if latents_list[0] is not None else None │\n╰──────────────────────────────────────────────────────────────────────────────────────────────────╯\nRuntimeError: stack expects each tensor to be equal size, but got [4, 140, 116] at entry 0 and [4, 152, 104]\nat entry 1"),
    ("device_split", "sd-scripts#2150", '  File "D:\\t\\sd-scripts\\library\\train_util.py", line 6025, in get_huber_threshold_if_needed\n    alphas_cumprod = torch.index_select(noise_scheduler.alphas_cumprod, 0, timesteps.cpu())\nRuntimeError: Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu! (when checking argument for argument index in method wrapper_CUDA__index_select)'),
    ("version_skew", "kohya_ss#2812", '  File "D:\\t\\sd-scripts\\library\\train_util.py", line 4724, in get_scheduler_fix\n    return schedule_func(\nTypeError: get_cosine_schedule_with_warmup() got an unexpected keyword argument \'num_decay_steps\''),
    ("accelerate_args", "kohya_ss#965", '  File "C:\\t\\venv\\lib\\site-packages\\accelerate\\commands\\config\\config_args.py", line 117, in from_yaml_file\n    return cls(**config_dict)\nTypeError: ClusterConfig.__init__() got an unexpected keyword argument \'tpu_env\''),
    ("accelerate_args", "kohya_ss#505", '  File "/opt/lib/python3.10/site-packages/accelerate/commands/config/config_args.py", line 64, in load_config_from_file\n    return config_class.from_yaml_file(yaml_file=config_file)\nTypeError: ClusterConfig.__init__() got an unexpected keyword argument \'command_file\''),
    ("version_skew", "kohya_ss#1198", '  File "/srv/kohya_ss/library/train_util.py", line 3123, in prepare_accelerator\n    accelerator = Accelerator(\nTypeError: Accelerator.__init__() got an unexpected keyword argument \'project_dir\''),
    ("xformers_build", "kohya_ss#1261", "TypeError: memory_efficient_attention() got an unexpected keyword argument 'scale'"),
    ("libuv", "kohya_ss#2763", '  File "C:\\t\\venv\\lib\\site-packages\\torch\\distributed\\elastic\\rendezvous\\static_tcp_rendezvous.py", line 67, in next_rendezvous\n    self._store = TCPStore(  # type: ignore[call-arg]\nRuntimeError: use_libuv was requested but PyTorch was build without libuv support'),
    ("libuv", "kohya_ss#3295", "torch.distributed.DistStoreError: use_libuv was requested but PyTorch was built without libuv support, run with USE_LIBUV=0 to disable it."),
    ("sample_zero", "kohya_ss#2135", '  File "/srv/kohya_ss/sd-scripts/library/train_util.py", line 4789, in sample_images_common\n    if epoch is None or epoch % args.sample_every_n_epochs != 0:\nZeroDivisionError: integer division or modulo by zero'),
    ("image_too_small", "kohya_ss#2850", '  File "D:\\t\\sd-scripts\\library\\train_util.py", line 295, in select_bucket\n    ar_error = (reso[0] / reso[1]) - aspect_ratio\nZeroDivisionError: division by zero'),
    ("bucket_bounds", "kohya_ss#2824", '  File "D:\\t\\sd-scripts\\library\\train_util.py", line 1009, in verify_bucket_reso_steps\n    assert self.bucket_reso_steps is None or self.bucket_reso_steps % min_steps == 0, (\nAssertionError: bucket_reso_steps is 1. it must be divisible by 32.\nbucket_reso_stepsが1です。32で割り切れる必要があります'),
    ("net_weights_missing", "kohya_ss#2046", '  File "D:\\t\\sd-scripts\\library\\train_util.py", line 3511, in resume_from_local_or_hf_if_specified\n    accelerator.load_state(args.resume)\n  File "D:\\t\\venv\\lib\\site-packages\\accelerate\\checkpointing.py", line 204, in load_accelerator_state\n    state_dict = torch.load(input_model_file, map_location=map_location)\n  File "D:\\t\\venv\\lib\\site-packages\\torch\\serialization.py", line 986, in load\n    with _open_file_like(f, \'rb\') as opened_file:\n  File "D:\\t\\venv\\lib\\site-packages\\torch\\serialization.py", line 435, in _open_file_like\n    return _open_file(name_or_buffer, mode)\n  File "D:\\t\\venv\\lib\\site-packages\\torch\\serialization.py", line 416, in __init__\n    super().__init__(open(name, mode))\nFileNotFoundError: [Errno 2] No such file or directory: \'D:\\\\t\\\\pytorch_model.bin\''),
    ("permission", "kohya_ss#3134", '  File "/srv/kohya_ss/kohya_gui/textual_inversion_gui.py", line 890, in train_model\n    with open(tmpfilename, "w", encoding="utf-8") as toml_file:\nPermissionError: [Errno 13] Permission denied: \'/config_textual_inversion-20250326-220347.toml\''),
    ("net_family", "sd-scripts#1617", '  File "F:\\t\\sd-scripts\\flux_train_network.py", line 170, in post_process_network\n    self.train_t5xxl = network.train_t5xxl\nAttributeError: \'LycorisNetworkKohya\' object has no attribute \'train_t5xxl\''),
    ("net_family", "kohya_ss#2798", "                    INFO     create LoRA for U-Net: 0 modules.                                              lora.py:1043\nFLUX: Gradient checkpointing enabled.\nprepare optimizer, data loader etc.\nAttributeError: 'LoRANetwork' object has no attribute 'train_blocks'"),
    ("net_family", "kohya_ss#2789", '    raise AttributeError(f"\'{type(self).__name__}\' object has no attribute \'{name}\'")\nAttributeError: \'LoRANetwork\' object has no attribute \'train_t5xxl\''),
    ("net_family", "kohya-trainer#330", "│   275 │   │   network = network_module.create_network(1.0, args.network_dim, args.network_alpha, vae, text_encoder, unet │\n╰──────────────────────────────────────────────────────────────────────────────────────────────────╯\nAttributeError: 'list' object has no attribute 'named_modules'"),
    ("wrong_arch", "kohya_ss#2526", '  File "/srv/sd-scripts/library/sdxl_train_util.py", line 106, in _load_target_model\n    if text_encoder1.dtype != torch.float32:\nAttributeError: \'NoneType\' object has no attribute \'dtype\''),
    ("version_skew", "sd-scripts#1662", '  File "C:\\t\\venv\\lib\\site-packages\\lycoris\\kohya\\__init__.py", line 148, in create_network\n    delattr(type(network), "apply_max_norm_regularization")\nAttributeError: apply_max_norm_regularization'),
    ("net_args", "kohya-trainer#130", 'import network module: lycoris.kohya\nTraceback (most recent call last):\n  File "/content/kohya-trainer/train_network.py", line 144, in train\n    key, value = net_arg.split(\'=\')\nValueError: not enough values to unpack (expected 2, got 1)'),
    ("net_args", "LyCORIS#3", '  File "/content/LoCon/locon/locon.py", line 37, in __init__\n    self.scale = alpha / self.lora_dim\nTypeError: unsupported operand type(s) for /: \'str\' and \'int\''),
    ("state_mismatch", "sd-scripts#378", '  File "E:\\t\\venv\\lib\\site-packages\\bitsandbytes\\optim\\optimizer.py", line 149, in load_state_dict\n    raise ValueError(\nValueError: loaded state dict contains a parameter group that doesn\'t match the size of optimizer\'s group'),
    ("torch_cpu", "kohya_ss#1078", "│ ❱  453 │   │   return F.conv2d(input, weight, bias, self.stride,                                 │\n│    454 │   │   │   │   │   │   self.padding, self.dilation, self.groups)                         │\n╰──────────────────────────────────────────────────────────────────────────────────────────────────╯\nRuntimeError: \"slow_conv2d_cpu\" not implemented for 'Half'"),
    ("fp8_op", "sd-scripts#1512", "RuntimeError: \"index_select_cuda\" not implemented for 'Float8_e4m3fn'"),
    ("fp8_op", "musubi-tuner#90", "RuntimeError: \"fill_cpu\" not implemented for 'Float8_e4m3fn'"),
    ("wrong_arch", "lora-scripts#509", '  File "L:\\t\\venv\\lib\\site-packages\\torch\\nn\\modules\\module.py", line 1167, in convert\n    raise NotImplementedError(\nNotImplementedError: Cannot copy out of meta tensor; no data! Please use torch.nn.Module.to_empty() instead of torch.nn.Module.to() when moving module from meta to a different device.'),
    ("image_corrupt", "kohya_ss#2164", "caching latents...\n 19%|█▉        | 38/200 [00:20<01:27,  1.85it/s]\nOSError: unrecognized data stream contents when reading image file"),
    ("image_corrupt", "kohya_ss#2324", '  File "/srv/venv/lib/python3.10/site-packages/PIL/ImageFile.py", line 278, in load\n    raise _get_oserror(err_code, encoder=False)\nOSError: broken data stream when reading image file'),
    ("image_corrupt", "ShivamShrirao/diffusers#79", '  File "/usr/lib/python3.7/dist-packages/PIL/PngImagePlugin.py", line 129, in read\n    length = i32(s)\n  File "/usr/lib/python3.7/dist-packages/PIL/_binary.py", line 85, in i32be\n    return unpack_from(">I", c, o)[0]\nstruct.error: unpack_from requires a buffer of at least 4 bytes'),
    ("image_corrupt", "stylegan2-pytorch#7", "OSError: Caught OSError in DataLoader worker process 0.\nOriginal Traceback (most recent call last):\nOSError: image file is truncated (1 bytes not processed)"),
    ("torch_cpu", "kohya_ss#571", '  File "D:\\t\\venv\\lib\\site-packages\\torch\\cuda\\__init__.py", line 239, in _lazy_init\n    raise AssertionError("Torch not compiled with CUDA enabled")\nAssertionError: Torch not compiled with CUDA enabled'),
    ("torch_cpu", "kohya_ss#719", '    raise ValueError(err.format(mode="fp16", requirement="a GPU"))\nValueError: fp16 mixed precision requires a GPU'),
    ("script_missing", "kohya_ss#3018", "C:\\Python310\\python.exe: can't open file 'E:\\\\SD\\\\kohya_ss-24.1.7\\\\sd-scripts\\\\train_network.py': [Errno 2] No such file or directory"),
    ("bad_cli_arg", "sd-scripts#809", "train_network.py: error: unrecognized arguments: --cache_text_encoder_outputs"),
    ("torch_broken", "kohya_ss#2809", "│ H:\\t\\venv\\lib\\site-packages\\torch\\utils\\throughput_benchmark.py:3 in <module>                    │\n│                                                                                                  │\n│ ❱   3 import torch._C                                                                            │\n╰──────────────────────────────────────────────────────────────────────────────────────────────────╯\nImportError: DLL load failed while importing _C: Le module spécifié est introuvable."),
    ("version_skew", "kohya_ss#2142", '  File "J:\\t\\venv\\lib\\site-packages\\diffusers\\utils\\import_utils.py", line 712, in _get_module\n    raise RuntimeError(\nRuntimeError: Failed to import diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion because of the following error (look up to see its traceback):\nFailed to import diffusers.loaders.ip_adapter because of the following error (look up to see its traceback):\nexpected str, bytes or os.PathLike object, not NoneType'),
    ("version_skew", "kohya_ss#3458", "RuntimeError: Failed to import diffusers.models.autoencoders.autoencoder_kl because of the following error (look up to see its traceback):\n/root/.triton/cache/QLAEYTJR4KV5WSBGJ/cuda_utils.so: undefined symbol: cuModuleGetFunction"),
    ("hub_api", "kohya-colab#237", "    from huggingface_hub import HfFolder, cached_download, hf_hub_download, model_info\n\nImportError: cannot import name 'cached_download' from 'huggingface_hub' (/usr/local/lib/python3.10/dist-packages/huggingface_hub/__init__.py)"),
    ("hub_api", "easydiffusion#1623", "ImportError: huggingface-hub>=0.15.1,<1.0 is required for a normal functioning of this module, but found huggingface-hub==0.11.1."),
    ("version_skew", "diffusers#11343", "RuntimeError: Failed to import diffusers.loaders.lora_pipeline because of the following error (look up to see its traceback):\ncannot import name 'shard_checkpoint' from 'transformers.modeling_utils' (/srv/venv/lib/python3.11/site-packages/transformers/modeling_utils.py)"),
    ("version_skew", "fast-stable-diffusion#364", "ImportError: cannot import name 'ImagePositionalEmbeddings' from 'diffusers.models.embeddings' (/usr/lib/python3.7/dist-packages/diffusers/models/embeddings.py)"),
    ("version_skew", "stable-diffusion-webui#5539", "ImportError: `diffusers` requires transformers >= 4.25.1 to function correctly, but 4.21.0 was found in your environment. You can upgrade it with pip: `pip install transformers --upgrade`"),
    ("numpy2", "ComfyUI#5664", "\nA module that was compiled using NumPy 1.x cannot be run in\nNumPy 2.1.3 as it may crash. To support both 1.x and 2.x\nversions of NumPy, modules must be compiled with NumPy 2.0.\nRuntimeError: Numpy is not available"),
    ("bnb_cuda", "sd-scripts#188", "CUDA SETUP: TODO: compile library for specific version: libbitsandbytes_cuda116.dll\nCUDA SETUP: Defaulting to libbitsandbytes.so...\nCUDA SETUP: CUDA detection failed. Either CUDA driver not installed, CUDA not installed, or you have multiple conflicting CUDA libraries!\nTraceback (most recent call last):\n  File \"C:\\t\\train_db.py\", line 122, in train\n    import bitsandbytes as bnb"),
    ("bnb_cuda", "kohya_ss-linux#9", '  File "/home/u/kohya_ss/train_db.py", line 126, in train\n    optimizer_class = bnb.optim.AdamW8bit\nAttributeError: module \'bitsandbytes\' has no attribute \'optim\''),
    ("bnb_cuda", "bitsandbytes#86", '  File "/home/u/venv/lib/python3.10/site-packages/bitsandbytes/cextension.py", line 59, in initialize\n    binary_name, cudart_path, cuda, cc, cuda_version_string = evaluate_cuda_setup()\nAttributeError: \'NoneType\' object has no attribute \'decode\''),
    ("compile_triton", "triton#3708", "torch._dynamo.exc.BackendCompilerFailed: backend='inductor' raised:\nRuntimeError: Cannot find a working triton installation. More information on installing Triton can be found at https://github.com/openai/triton"),
    ("compile_triton", "ml-cross-entropy#41", "torch._dynamo.exc.BackendCompilerFailed: backend='inductor' raised:\nRuntimeError: Found NVIDIA GeForce GTX 1070 which is too old to be supported by the triton GPU compiler, which is used as the backend."),
    ("compile_triton", "pytorch#119054", "BackendCompilerFailed: backend='inductor' raised:\nRuntimeError: Triton Error [CUDA]: device kernel image is invalid"),
    ("nccl", "JanusVLN#22", "[rank5]:[E1230 17:23:36.183261415 ProcessGroupNCCL.cpp:1595] [PG ID 0 PG GUID 0(default_pg) Rank 5] Process group watchdog thread terminated with exception: [Rank 5] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=18590, OpType=_ALLGATHER_BASE, NumelIn=4194304, NumelOut=33554432, Timeout(ms)=1800000) ran for 1800062 milliseconds before timing out."),
    ("nccl", "mlcommons/training#546", "[E ProcessGroupNCCL.cpp:587] [Rank 4] Watchdog caught collective operation timeout: WorkNCCL(OpType=ALLREDUCE, Timeout(ms)=1800000) ran for 1809150 milliseconds before timing out.\nRuntimeError: NCCL communicator was aborted on rank 2.  Original reason for failure was: [Rank 2] Watchdog caught collective operation timeout"),
    ("hf_offline", "lora-scripts#639", "OSError: Can't load tokenizer for 'openai/clip-vit-large-patch14'. If you were trying to load it from 'https://huggingface.co/models', make sure you don't have a local directory with the same name. Otherwise, make sure 'openai/clip-vit-large-patch14' is the correct path to a directory containing all relevant files for a CLIPTokenizer tokenizer."),
    ("win_pagefile", "AkaneTendo25/musubi-tuner#67", "RuntimeError: Command failed with exit code 3221225477"),
    ("loss_nan", "musubi-tuner#26", "steps:  13%|█████████▏            | 440/3300 [21:33<2:20:06,  2.94s/it, avr_loss=nan]\nsaving checkpoint: D:/t/Output\\run-000002.safetensors"),
    ("option_conflict", "kohya_ss#76", '  File "D:\\t\\library\\train_util.py", line 1345, in patch_accelerator_for_fp16_training\n    org_unscale_grads = accelerator.scaler._unscale_grads_\nAttributeError: \'NoneType\' object has no attribute \'_unscale_grads_\''),
    ("dtype_mismatch", "kohya_ss#76", "    unwrap_model(text_encoder).get_input_embeddings().weight[index_no_updates] = orig_embeds_params[index_no_updates]\nRuntimeError: Index put requires the source and destination dtypes match, got Half for the destination and Float for the source."),
    ("nothing_trains", "Llama-Chinese#242", '  File "/usr/lib/python3.10/site-packages/torch/autograd/__init__.py", line 197, in backward\n    Variable._execution_engine.run_backward(  # Calls into the C++ engine to run the backward pass\nRuntimeError: element 0 of tensors does not require grad and does not have a grad_fn'),
    ("cuda_crash", "kohya-trainer#182", "RuntimeError: CUDA error: invalid argument"),
    ("cuda_crash", "TRACER#34", "RuntimeError: CUDA error: device-side assert triggered\nCUDA kernel errors might be asynchronously reported at some other API call,so the stacktrace below might be incorrect."),
    ("v2_flag", "kohya-trainer#66", "RuntimeError: Error(s) in loading state_dict for UNet2DConditionModel:\n\tsize mismatch for down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight: copying a param with shape torch.Size([320, 768]) from checkpoint, the shape in current model is torch.Size([320, 1024])."),
    ("config_missing", "kohya_ss#2701", "ValueError: no metadata / メタデータファイルがありません: /srv/out/meta_lat.json"),
    ("version_skew", "sd-scripts#1456", '  File "/srv/sd-scripts/flux_train_network.py", line 244, in encode_images_to_latents\n    return vae.encode(images).latent\nAttributeError: \'Tensor\' object has no attribute \'latent\''),
    ("version_skew", "LoRA_Easy_Training_Scripts#291", '  File "E:\\t\\venv\\lib\\site-packages\\accelerate\\optimizer.py", line 170, in step\n    self.optimizer.step(closure)\n  File "e:\\t\\venv\\lib\\site-packages\\LoraEasyCustomOptimizer\\CosineAnnealingWarmRestarts.py", line 49, in wrapper\n    instance._step_count += 1\nAttributeError: \'Prodigy\' object has no attribute \'_step_count\''),
    ('accelerate_missing', 'fluxgym#36', "[2024-09-09 20:59:06] [INFO] 'accelerate' �����ڲ����ⳏ�\n[2024-09-09 20:59:06] [ERROR] Command exited with code 1"),
    ('version_skew', 'lora-scripts#513', '  File "D:\\t\\scripts\\train_network.py", line 474, in train\n    text_encoder_lr = None if args.text_encoder_lr is None or len(args.text_encoder_lr) == 0 else args.text_encoder_lr[0]\nTypeError: object of type \'float\' has no len()\n22:02:40-417801 ERROR    Training failed / 训练失败'),
    ('mod_generic', 'locally-uncensored#111', '  File "C:\\t\\src\\musubi_tuner\\zimage_cache_latents.py", line 14, in <module>\n    from musubi_tuner.dataset import config_utils\nModuleNotFoundError: No module named \'musubi_tuner\''),
    ('device_split', 'ai-toolkit#451', 'RuntimeError: Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu!'),
    ('net_weights_missing', 'kohya_ss#688', '  File "C:\\t\\library\\train_util.py", line 2354, in resume_from_local_or_hf_if_specified\n    accelerator.load_state(args.resume)\n  File "C:\\t\\accelerate\\accelerator.py", line 1722, in load_state\n    load_accelerator_state(input_dir, models, optimizers, schedulers, self.state.process_index, self.scaler)\n  File "C:\\t\\accelerate\\checkpointing.py", line 134, in load_accelerator_state\n    models[i].load_state_dict(torch.load(input_model_file, map_location="cpu"))\n  File "C:\\t\\torch\\serialization.py", line 699, in load\n    with _open_file_like(f, \'rb\') as opened_file:\nFileNotFoundError: [Errno 2] No such file or directory: \'C:\\\\t\\\\pytorch_model.bin\''),
    ('sig_segv', 'kohya-colab#218', "subprocess.CalledProcessError: Command '['/usr/bin/python3', 'train_network_wrapper.py']' died with <Signals.SIGSEGV: 11>."),
]  # fmt: skip


@pytest.mark.parametrize(
    ("key", "where", "text"), REPORTED, ids=[f"{key}-{where}" for key, where, _ in REPORTED]
)
def test_the_first_hint_is_the_cause(key: str, where: str, text: str) -> None:
    found = diagnose([[f"{text}\n".encode()]])
    assert found.hints and found.hints[0].key == key, (where, [hint.key for hint in found.hints])


HEALTHY = [
    "A matching Triton is not available, some optimizations will not be enabled.\nError caught was: No module named 'triton'",
    "WARNING:root:A matching Triton is not available, some optimizations will not be enabled.\nError caught was: No module named 'triton'",
    'WARNING:xformers:A matching Triton is not available, some optimizations will not be enabled\nTraceback (most recent call last):\n  File "C:\\t\\Lib\\site-packages\\xformers\\__init__.py", line 57, in _is_triton_available\n    import triton  # noqa\nModuleNotFoundError: No module named \'triton\'',
    "WARNING:torchao.kernel.intmm:Warning: Detected no triton, on systems without Triton certain kernels will not work",
    "[W socket.cpp:663] [c10d] The client socket has failed to connect to [DESKTOP-A1B2C3]:12345 (system error: 10049 - The requested address is not valid in its context.).",
    "W0426 07:32:52.612000 5032 site-packages\\torch\\distributed\\elastic\\multiprocessing\\redirects.py:29] NOTE: Redirects are currently not supported in Windows or MacOs.",
    "2025-01-08 17:43:27.177299: E external/local_xla/xla/stream_executor/cuda/cuda_dnn.cc:9261] Unable to register cuDNN factory: Attempting to register factory for plugin cuDNN when one has already been registered",
    "2024-08-26 06:24:48.205464: W tensorflow/compiler/tf2tensorrt/utils/py_utils.cc:38] TF-TRT Warning: Could not find TensorRT",
    "2023-02-06 07:07:40.336883: W tensorflow/stream_executor/platform/default/dso_loader.cc:64] Could not load dynamic library 'libnvinfer.so.7'; dlerror: libnvinfer.so.7: cannot open shared object file: No such file or directory; LD_LIBRARY_PATH: /usr/lib64-nvidia",
    "CUDA backend failed to initialize: Found cuDNN version 8700, but JAX was built against version 8904, which is newer. The copy of cuDNN that is installed must be at least as new as the version against which JAX was built.",
    "ERROR: pip's dependency resolver does not currently take into account all the packages that are installed. This behaviour is the source of the following dependency conflicts.\nimageio 2.31.6 requires pillow<10.1.0,>=8.3.2, but you have pillow 10.2.0 which is incompatible.",
    "No caption file found for 5000 images. Training will continue without captions for these images. If class token exists, it will be used.\nC:\\t\\reg\\1_woman\\woman_0001.jpg... and 4995 more",
    "some of reg images are not used / 正則化画像の数が多いので、一部使用されない正則化画像があります",
    "C:\\t\\site-packages\\xformers\\ops\\fmha\\flash.py:211: FutureWarning: `torch.library.impl_abstract` was renamed to `torch.library.register_fake`. Please use that instead; we will remove `torch.library.impl_abstract` in a future version of PyTorch.",
    "C:\\t\\site-packages\\accelerate\\accelerator.py:249: FutureWarning: `logging_dir` is deprecated and will be removed in version 0.18.0 of 🤗 Accelerate. Use `project_dir` instead.\n  warnings.warn(",
    "You are using the default legacy behaviour of the <class 'transformers.models.t5.tokenization_t5.T5Tokenizer'>. This is expected, and simply means that the `legacy` (previous) behavior will be used so nothing changes for you.",
    "2024-06-29 16:11:07|[LyCORIS]-WARNING: lora_dim 100000 is too large for dim=320 and factor=6, using full matrix mode.",
    "2024-06-29 16:11:06|[LyCORIS]-WARNING: disable_conv_cp and use_cp are deprecated. Please use use_tucker instead.",
    "21:15:25-637630 INFO     Regularization images directory is missing... not copying regularisation images...",
    "21:14:56-092646 INFO     Destination training directory is missing... can't perform the required task...",
    "[2025-03-07 02:52:49] [INFO] WARNING  split_mode is deprecated. flux_train_network.py:81\n[2025-03-07 02:52:49] [INFO] Please use",
    "CUDA SETUP: Loading binary C:\\t\\site-packages\\bitsandbytes\\cuda_setup\\libbitsandbytes_cuda116.dll...\nuse 8-bit AdamW optimizer | {}",
    "WARNING: Compute capability < 7.5 detected! Only slow 8-bit matmul is supported for your GPU!",
    "WARNING[XFORMERS]: xFormers can't load C++/CUDA extensions. xFormers was built for:\n    PyTorch 2.1.0+cu118 with CUDA 1106 (you have 2.1.0+cu121)\n    Python  3.9.16 (you have 3.10.12)\n  Please reinstall xformers (see https://github.com/facebookresearch/xformers#installing-xformers)\n  Memory-efficient attention, SwiGLU, sparse and more won't be available.",
    "The installed version of bitsandbytes was compiled without GPU support. 8-bit optimizers, 8-bit multiplication, and GPU quantization are unavailable.",
    "The cache for model files in Transformers v4.22.0 has been updated. Migrating your old cache. This is a one-time only operation.",
    "WARNING:musubi_tuner.ltx_2.model.transformer.transformer:LTX-2 attn retry in fp32 for block 47",
    "enable fp8 training for U-Net.\nunet_weight_dtype: torch.float8_e4m3fn",
]  # fmt: skip
"""Lines of the same reports that were no trouble: the runs went on."""


@pytest.mark.parametrize("line", HEALTHY)
def test_a_run_that_is_well_raises_no_alarm(line: str) -> None:
    found = diagnose([[finished(line)]])
    assert [hint.key for hint in found.hints if hint.severity == "fatal"] == []
    assert found.verdict != "failed"


@pytest.mark.parametrize("line", HEALTHY)
def test_a_run_that_has_only_begun_raises_none_either(line: str) -> None:
    found = diagnose([[begun(line)]])
    assert [hint.key for hint in found.hints if hint.severity == "fatal"] == []
