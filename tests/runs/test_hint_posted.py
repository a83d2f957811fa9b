# ruff: noqa: E501 - messages stand whole, as they were posted
"""Excerpts that people posted in issues of sd-scripts, its front ends and its libraries: (key, where, text)."""

from __future__ import annotations

import pytest

from loratui.runs.diagnose import diagnose

ECHO = r"""Traceback (most recent call last):
  File "E:\kohya_ss\venv\Scripts\accelerate.EXE\__main__.py", line 7, in <module>
  File "E:\kohya_ss\venv\lib\site-packages\accelerate\commands\launch.py", line 704, in simple_launcher
    raise subprocess.CalledProcessError(returncode=process.returncode, cmd=cmd)
subprocess.CalledProcessError: Command '['E:\\kohya_ss\\venv\\Scripts\\python.exe', 'sdxl_train_network.py', '--config_file', 'E:/killed nan.toml']' returned non-zero exit status 1.
"""
"""What follows most of them."""

POSTED: list[tuple[str, str, str]] = [
    ("cuda_crash", "kohya_ss#2002", "RuntimeError: CUDA error: unspecified launch failure\nCUDA kernel errors might be asynchronously reported at some other API call, so the stacktrace below might be incorrect."),
    ("cuda_crash", "kohya_ss#733", 'steps:  18%|█████████▊                     | 507/2800 [15:41<1:10:59,  1.86s/it, avr_loss=0.134]Traceback (most recent call last):\n  File "C:\\NEURAL\\kohya_ss\\venv\\lib\\site-packages\\torch\\cuda\\amp\\grad_scaler.py", line 314, in <genexpr>\n    if not sum(v.item() for v in optimizer_state["found_inf_per_device"].values()):\nRuntimeError: CUDA error: unknown error\nCUDA kernel errors might be asynchronously reported at some other API call, so the stacktrace below might be incorrect.'),
    ("cuda_crash", "kohya_ss#1380", "│ ❱ 174 │   trainer.train(args)                                                                    │\n╰──────────────────────────────────────────────────────────────────────────────────────────────────╯\nRuntimeError: CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasGemmEx( handle, opa, opb, m, n, k, &falpha, a, CUDA_R_16F, lda, b, CUDA_R_16F, ldb, &fbeta, c, CUDA_R_16F, ldc, CUDA_R_32F, CUBLAS_GEMM_DEFAULT_TENSOR_OP)`"),
    ("opt_args", "sd-scripts#962", 'File "G:\\kohya_ss\\train_network.py", line 342, in train\noptimizer_name, optimizer_args, optimizer = train_util.get_optimizer(args, trainable_params)\nFile "G:\\kohya_ss\\library\\train_util.py", line 3403, in get_optimizer\nvalue = ast.literal_eval(value)\nFile "C:\\Users\\ZEUS\\AppData\\Local\\Programs\\Python\\Python310\\lib\\ast.py", line 83, in _convert_signed_num\nraise ValueError(msg + f\': {node!r}\')\nValueError: malformed node or string on line 1: <ast.Name object at 0x000001B3>'),
    ("wrong_arch", "kohya_ss#192", '  File "F:\\lora-scripts-0.2.0\\sd-scripts\\library\\model_util.py", line 234, in convert_ldm_unet_checkpoint\n    new_checkpoint["time_embedding.linear_1.weight"] = unet_state_dict["time_embed.0.weight"]\nKeyError: \'time_embed.0.weight\''),
    ("mod_generic", "kohya_ss#429", '  File "C:\\Users\\name\\Kohya\\kohya_ss\\library\\train_util.py", line 59, in <module>\n    from library.lpw_stable_diffusion import StableDiffusionLongPromptWeightingPipeline\nModuleNotFoundError: No module named \'library.lpw_stable_diffusion\''),
    ("mod_generic", "kohya_ss#2648", '  File "C:\\kohya_ss\\sd-scripts\\library\\ipex\\diffusers.py", line 3, in <module>\n    import intel_extension_for_pytorch as ipex # pylint: disable=import-error, unused-import\nModuleNotFoundError: No module named \'intel_extension_for_pytorch\''),
    ("accelerate_missing", "kohya_ss#2559", "16:52:01-100000 INFO     Start training LoRA Standard ...\n16:52:01-133628 ERROR    accelerate not found"),
    ("win_pagefile", "kohya_ss#3433", "steps:  36%|▎| 10427/28944 [3:11:30<5:40:05,  1.10s/it, Average key norm=tensor(0.1880, device='cuda:0'), Keys Scaled=t\nTraceback (most recent call last):\n  File \"<frozen runpy>\", line 198, in _run_module_as_main\nsubprocess.CalledProcessError: Command '['O:\\\\venv\\\\Scripts\\\\python.exe', 'sdxl_train_network.py', '--v_parameterization']' returned non-zero exit status 3221225477.\n18:07:42-294469 INFO     Training has ended."),
    ("folder_repeats", "kohya_ss#1148", "prepare tokenizers\nUsing DreamBooth method.\nignore directory without repeats / 繰り返し回数のないディレクトリを無視します: illustration style\nprepare images.\n0 train images with repeating.\n0 reg images.\n0it [00:00, ?it/s]\nmake buckets\nNo data found. Please verify arguments (train_data_dir must be the parent of folders with images)"),
    ("st_corrupt", "fluxgym#360", "[2025-03-07 02:53:28] [INFO] with safe_open(filename, framework=\"pt\", device=device) as f:\n[2025-03-07 02:53:28] [INFO] safetensors_rust.SafetensorError: Error while deserializing header: MetadataIncompleteBuffer\n[2025-03-07 02:53:29] [INFO] Traceback (most recent call last):"),
    ("st_corrupt", "ComfyUI#5826", "safetensors_rust.SafetensorError: Error while deserializing header: HeaderTooLarge"),
    ("bnb_cuda", "bitsandbytes#1059", "RuntimeError: \n        CUDA Setup failed despite GPU being available. Please run the following command to get more information:\n\n        python -m bitsandbytes\n\n        Inspect the output of the command and see if you can locate CUDA libraries. You might need to add them\n        to your LD_LIBRARY_PATH."),
    ("bnb_cuda", "kohya_ss#1523", "│   17 │   if lib is None and torch.cuda.is_available():                                           │\n│   18 │   │   CUDASetup.get_instance().generate_instructions()                                    │\n│   19 │   │   CUDASetup.get_instance().print_log_stack()                                          │\n│ ❱ 20 │   │   raise RuntimeError('''                                                              │\n│   21 │   │   CUDA Setup failed despite GPU being available. Please run the following command     │\n╰──────────────────────────────────────────────────────────────────────────────────────────────────╯\nRuntimeError:\n        CUDA Setup failed despite GPU being available. Please run the following command to get more information:"),
    ("bnb_cuda", "bitsandbytes#1559", "Could not find the bitsandbytes CUDA binary at PosixPath('/notebooks/bitsandbytes/bitsandbytes/libbitsandbytes_cuda124.so')\nCould not load bitsandbytes native library: /notebooks/bitsandbytes/bitsandbytes/libbitsandbytes_cpu.so: cannot open shared object file: No such file or directory\nTraceback (most recent call last):\n  File \"/notebooks/bitsandbytes/bitsandbytes/cextension.py\", line 85, in <module>\n    lib = get_native_library()"),
    ("bnb_cuda", "kohya_ss#99", "F:\\koya\\kohya_ss\\venv\\lib\\site-packages\\torch\\utils\\checkpoint.py:25: UserWarning: None of the inputs have requires_grad=True. Gradients will be None\n  warnings.warn(\"None of the inputs have requires_grad=True. Gradients will be None\")\nError no kernel image is available for execution on the device at line 167 in file D:\\ai\\tool\\bitsandbytes\\csrc\\ops.cu"),
    ("caption_encoding", "lora-scripts#218", "│   1325 │   │   │   │   │   │   except UnicodeDecodeError as e:                                   │\n│   1326 │   │   │   │   │   │   │   print(f\"illegal char in file (not UTF-8) / ファイルにUTF-8以  │\n│ ❱ 1327 │   │   │   │   │   │   │   raise e                                                       │\n╰──────────────────────────────────────────────────────────────────────────────────────────────────╯\nUnicodeDecodeError: 'utf-8' codec can't decode byte 0xa3 in position 1: invalid start byte"),
    ("v2_flag", "sd-webui-train-tools#57", "UNet2DConditionModel: 64, [5, 10, 20, 20], 1024, False, False\nTrain Tools: train.train error Error(s) in loading state_dict for UNet2DConditionModel:\n\tsize mismatch for down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight: copying a param with shape torch.Size([320, 768]) from checkpoint, the shape in current model is torch.Size([320, 1024])."),
    ("v2_flag", "kohya_ss#154", "RuntimeError: Error(s) in loading state_dict for UNet2DConditionModel:\n        size mismatch for down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight: copying a param with shape torch.Size([320, 768]) from checkpoint, the shape in current model is torch.Size([320, 1024]).\n        size mismatch for down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_v.weight: copying a param with shape torch.Size([320, 768]) from checkpoint, the shape in current model is torch.Size([320, 1024])."),
    ("v2_flag", "sd_dreambooth_extension#374", "RuntimeError: Error(s) in loading state_dict for UNet2DConditionModel:\n        size mismatch for down_blocks.0.attentions.0.proj_in.weight: copying a param with shape torch.Size([320, 320]) from checkpoint, the shape in current model is torch.Size([320, 320, 1, 1]).\n        size mismatch for down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight: copying a param with shape torch.Size([320, 1024]) from checkpoint, the shape in current model is torch.Size([320, 768])."),
    ("wrong_arch", "sd-scripts#2048", "trainer  | [rank0]: RuntimeError: Error(s) in loading state_dict for UNet2DConditionModel:\ntrainer  | [rank0]:     size mismatch for up_blocks.1.attentions.1.transformer_blocks.0.attn1.to_out.0.bias: copying a param with shape torch.Size([640]) from checkpoint, the shape in current model is torch.Size([1280]).\ntrainer  | [rank0]:     size mismatch for up_blocks.1.attentions.1.transformer_blocks.0.ff.net.0.proj.weight: copying a param with shape torch.Size([5120, 640]) from checkpoint, the shape in current model is torch.Size([10240, 1280])."),
    ("xformers_build", "sd-scripts#412", "NotImplementedError: No operator found for `memory_efficient_attention_forward` with inputs:\n     query       : shape=(200, 9126, 1, 64) (torch.float32)\n     attn_bias   : <class 'NoneType'>\n     p           : 0.0\n`flshattF` is not supported because:\n    device=cpu (supported: {'cuda'})\n    dtype=torch.float32 (supported: {torch.float16, torch.bfloat16})"),
    ("xformers_build", "kohya-trainer#222", "│ ❱ 1792 │   │   out = xformers.ops.memory_efficient_attentio │\n╰──────────────────────────────────────────────────────────────────────────────╯\nNotImplementedError: No operator found for `memory_efficient_attention_forward` \nwith inputs:\n     query       : shape=(1, 4096, 1, 512) (torch.float16)"),
    ("xformers_build", "kohya_ss#784", "RuntimeError: No such operator xformers::efficient_attention_forward_cutlass - did you forget to build xformers with `python setup.py develop`?"),
    ("torch_cpu", "kohya_ss#3096", '  File "D:\\kohya_ss\\venv\\lib\\site-packages\\diffusers\\models\\attention_processor.py", line 297, in set_use_memory_efficient_attention_xformers\n    raise ValueError(\nValueError: torch.cuda.is_available() should be True but is False. xformers\' memory efficient attention is only available for GPU'),
    ("dl_worker_died", "memery#22", '  File "/home/rob/.local/lib/python3.9/site-packages/torch/utils/data/_utils/signal_handling.py", line 66, in handler\n    _error_if_any_worker_fails()\nRuntimeError: DataLoader worker (pid 541564) is killed by signal: Killed. \n\nThe above exception was the direct cause of the following exception:\n'),
    ("dl_worker_died", "nowcasting_dataset#194", "RuntimeError: DataLoader worker (pid(s) 14455) exited unexpectedly"),
    ("dl_worker_died", "DB#94", "RuntimeError: DataLoader worker (pid 25902) is killed by signal: Segmentation fault"),
    ("shm_bus", "NeuralClassifier#3", "RuntimeError: DataLoader worker (pid 13176) is killed by signal: Bus error. It is possible that dataloader's workers are out of shared memory."),
    ("te_cache_train", "kohya_ss#1210", "│ D:\\LoraTraining\\kohya_ss\\train_network.py:201 in train                                           │\n╰──────────────────────────────────────────────────────────────────────────────────────────────────╯\nAssertionError: network for Text Encoder cannot be trained with caching Text Encoder outputs / Text \nEncoderの出力をキャッシュしながらText Encoderのネットワークを学習することはできません"),
    ("te_cache_train", "kohya_ss#2701", '  File "E:\\kohya_ss\\sd-scripts\\flux_train_network.py", line 43, in assert_extra_args\n    assert (\nAssertionError: network for Text Encoder cannot be trained with caching Text Encoder outputs / Text Encoderの出力をキャッシュしながらText Encoderのネットワ ークを学習することはできません'),
    ("te_cache_caption", "sd-scripts#1543", "    assert (\nAssertionError: when caching Text Encoder output, either caption_dropout_rate, shuffle_caption, token_warmup_step or caption_tag_dropout_rate cannot be used / Text Encoderの出力をキャッシュするときはcaption_dropout_rate, shuffle_caption, token_warmup_step, caption_tag_dropout_rateは使えません"),
    ("te_cache_caption", "Anima-Standalone-Trainer#69", '  File "C:\\AI Programs\\anima_train_network.py", line 64, in assert_extra_args\n    assert (\nAssertionError: when caching Text Encoder output, shuffle_caption, token_warmup_step or caption_tag_dropout_rate cannot be used'),
    ("torch_arch", "kohya_ss#3238", "NVIDIA GeForce RTX 5090 with CUDA capability sm_120 is not compatible with the current PyTorch installation.\nThe current PyTorch install supports CUDA capabilities sm_37 sm_50 sm_60 sm_61 sm_70 sm_75 sm_80 sm_86 sm_90 compute_37.\nRuntimeError: CUDA error: no kernel image is available for execution on the device\nCUDA kernel errors might be asynchronously reported at some other API call, so the stacktrace below might be incorrect."),
    ("loss_nan", "sd-scripts#2137", "steps:   2%|█▏            | 66/3280 [01:20<1:05:12,  1.22s/it, avr_loss=nan]\nsteps:   2%|█▏            | 67/3280 [01:21<1:05:12,  1.22s/it, avr_loss=nan]"),
    ("xformers_build", "kohya_ss#3276", "ImportError: DLL load failed while importing _C: The specified procedure could not be found.\nWARNING[XFORMERS]: xFormers can't load C++/CUDA extensions. xFormers was built for:\n    PyTorch 2.5.1+cu124 with CUDA 1204 (you have 2.8.0.dev+cu128)\nNotImplementedError: No operator found for `memory_efficient_attention_forward` with inputs:"),
    ("oom_cuda", "fluxgym#337", '[2025-02-16 13:28:06] [INFO] File "F:\\fluxgym\\fluxgym\\sd-scripts\\library\\custom_offloading_utils.py", line 218, in wait_for_block\n[2025-02-16 13:28:06] [INFO] torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 54.00 MiB. GPU 0 has a total capacity of 11.99 GiB of which 0 bytes is free.'),
    ("hf_badid", "LlamaFactory#7684", "    raise HFValidationError(\nhuggingface_hub.errors.HFValidationError: Repo id must be in the form 'repo_name' or 'namespace/repo_name': '/mnt/c/models/Qwen1.5-0.5B'. Use `repo_type` argument if needed."),
    ("hf_badid", "fast-stable-diffusion#42", "huggingface_hub.utils._validators.HFValidationError: Repo id must be in the form 'repo_name' or 'namespace/repo_name': '/content/models/sd'. Use `repo_type` argument if needed."),
    ("net_weights_missing", "kohya_ss#2046", '  File "D:\\kohya_ss\\sd-scripts\\library\\train_util.py", line 3511, in resume_from_local_or_hf_if_specified\n    accelerator.load_state(args.resume)\n  File "D:\\kohya_ss\\venv\\lib\\site-packages\\torch\\serialization.py", line 416, in __init__\n    super().__init__(open(name, mode))\nFileNotFoundError: [Errno 2] No such file or directory: \'D:\\\\kohya_ss\\\\pytorch_model.bin\''),
    ("bad_cli_arg", "sd-scripts#452", "train_network.py: error: unrecognized arguments: 768"),
    ("bad_cli_arg", "kohya_ss#1972", "                             [--cache_text_encoder_outputs] [--cache_text_encoder_outputs_to_disk]\nsdxl_train_network.py: error: unrecognized arguments: --lora_network_weights=E:/last.safetensors"),
    ("bad_cli_arg", "sd-scripts#809", "train_network.py: error: unrecognized arguments: --cache_text_encoder_outputs\n╭─────────────────────────────── Traceback (most recent call last) ────────────────────────────────╮"),
    ("bad_cli_arg", "kohya-trainer#111", "train_network.py: error: unrecognized arguments: weight_decay=0.04"),
    ("unscale_fp16", "LoRA_Easy_Training_Scripts#57", '    raise ValueError("Attempting to unscale FP16 gradients.")\nValueError: Attempting to unscale FP16 gradients.'),
    ("rtx4000_p2p", "lora-scripts#673", 'NotImplementedError: Using RTX 4000 series doesn\'t support faster communication broadband via P2P or IB. Please set `NCCL_P2P_DISABLE="1"` and `NCCL_IB_DISABLE="1" or use `accelerate launch` which will do this automatically.'),
    ("rtx4000_p2p", "MiniCPM-V#325", "[rank1]:     raise NotImplementedError(\n[rank1]: NotImplementedError: Using RTX 4000 series doesn't support faster communication broadband via P2P or IB. Please set `NCCL_P2P_DISABLE=\"1\"` and `NCCL_IB_DISABLE=\"1\" or use `accelerate launch` which will do this automatically.\nE0707 18:33:51.790000 124260926895936 torch/distributed/elastic/multiprocessing/api.py:826] failed (exitcode: 1) local_rank: 0"),
    ("port_used", "lora-scripts#673 (port)", "ConnectionError: Tried to launch distributed communication on port `29500`, but another process is utilizing it. Please specify a different port (such as using the `--main_process_port` flag or specifying a different `main_process_port` in your config file) and rerun your script.\n20:29:38-869927 ERROR    Training failed / 训练失败"),
    ("bucket_bounds", "kohya_ss#581", "AssertionError: max_bucket_reso must be equal or greater than resolution / max_bucket_resoは最大解像度より小さくできません。解像度を小さくするかmin_bucket_resoを大きくしてください"),
    ("bucket_bounds", "sd-scripts#1763", "AssertionError: bucket_reso_steps is 32. it must be divisible by 64."),
    ("image_too_small", "sd-scripts#1365", '  File "/sd-scripts/library/train_util.py", line 824, in make_buckets\n    image_info.bucket_reso, image_info.resized_size, ar_error = self.bucket_manager.select_bucket(\n  File "/sd-scripts/library/train_util.py", line 291, in select_bucket\n    ar_error = (reso[0] / reso[1]) - aspect_ratio\nZeroDivisionError: division by zero'),
    ("image_corrupt", "kohya_ss#1726", '  File "/app/library/train_util.py", line 213, in select_bucket\n    aspect_ratio = image_width / image_height\n                   ~~~~~~~~~~~~^~~~~~~~~~~~~~\nZeroDivisionError: division by zero'),
]  # fmt: skip


@pytest.mark.parametrize(("key", "where", "text"), POSTED, ids=[f"{key}-{where}" for key, where, _ in POSTED])
def test_the_first_hint_is_the_cause(key: str, where: str, text: str) -> None:
    for whole in (text + "\n", f"{text}\n{ECHO}"):
        found = diagnose([[whole.encode()]])
        assert found.hints and found.hints[0].key == key, (where, [hint.key for hint in found.hints])


HEALTHY = [
    "                    WARNING  Detected kernel version 5.4.0, which is below the recommended minimum of 5.5.0; this can cause the process to hang. It is recommended to upgrade the kernel logging.py:61",
    'F:\\koya\\venv\\lib\\site-packages\\torch\\utils\\checkpoint.py:25: UserWarning: None of the inputs have requires_grad=True. Gradients will be None\n  warnings.warn("None of the inputs have requires_grad=True. Gradients will be None")',
    "===================================BUG REPORT===================================\nWelcome to bitsandbytes. For bug reports, please submit your error trace to: https://github.com/TimDettmers/bitsandbytes/issues\nCUDA_SETUP: WARNING! libcudart.so not found in any environmental path. Searching /usr/local/cuda/lib64...\nCUDA SETUP: CUDA runtime path found: /usr/local/cuda/lib64/libcudart.so\nCUDA SETUP: Loading binary /usr/local/lib/python3.8/dist-packages/bitsandbytes/libbitsandbytes_cuda118.so...",
    "The following directories listed in your path were found to be non-existent: {PosixPath('/etc/xdg/xdg-ubuntu')}\nDEBUG: Possible options found for libcudart.so: {PosixPath('/usr/local/cuda/lib64/libcudart.so')}",
    "16:47:33-399628 INFO     Kohya_ss GUI version: v24.1.4\nfatal: not a git repository (or any of the parent directories): .git\n16:47:33-618848 ERROR    Error during Git operation: Command '['git', 'submodule', 'update', '--init', '--recursive',\n                         '--quiet']' returned non-zero exit status 128.\n16:47:33-620851 INFO     nVidia toolkit detected",
    "IMPORTANT: You are using gradio version 4.26.0, however version 4.29.0 is available, please upgrade.",
    "08:36:05-206892 INFO     Validating X:/Kohya/log existence and writability... SUCCESS\n08:36:05-211879 INFO     Validating runwayml/stable-diffusion-v1-5 existence... SKIPPING: huggingface.co model",
    "min_bucket_reso and max_bucket_reso are ignored if bucket_no_upscale is set, because bucket reso is defined by image size automatically / bucket_no_upscaleが指定された場合は、bucketの解像度は画像サイズから自動計算されるため、min_bucket_resoとmax_bucket_resoは無視されます",
    "Disable Diffusers' xformers\n                    INFO     Enable xformers for U-Net                     train_util.py:2660",
    "06:34:57-533657 INFO     resume not specified, skipping validation\n06:34:57-534652 INFO     lora_network_weights not specified, skipping validation",
    "[2024-09-14 13:44:38] [INFO] caption_dropout_rate: 0.0\n[2024-09-14 13:44:38] [INFO] color_aug: False\n[2024-09-14 13:44:38] [INFO] image_dir:",
    "[18:25:53] WARNING  The following values were not passed to `accelerate launch` and had defaults used      launch.py:890\n                    instead:\n                            `--num_processes` was set to a value of `1`",
    "2024-09-21 18:38:26 INFO     text encoder 1: <All keys matched successfully>         sdxl_model_util.py:272",
    "trainer  | [rank0]:[W ProcessGroupNCCL.cpp:1538] Warning: destroy_process_group() was not called before program exit",
    "11:55:54-457628 INFO     Saving training config to F:/sd-kohyaGUI/kohya_ss/outputs/killed nan.json...",
    "UNet2DConditionModel: 64, 8, 768, False, False",
    "This share link expires in 1 week. For free permanent hosting and GPU upgrades, run `gradio deploy` from the terminal",
    "17:51:40-1 WARNING  No module named 'triton' | error caught | xformers works without",
]  # fmt: skip
"""Lines of the same posts that were no trouble."""

START = """preparing accelerator
accelerator device: cuda
{extra}
running training / 学習開始
  total optimization steps / 学習ステップ数: 40
steps:   0%|          | 0/40 [00:00<?, ?it/s]
epoch 1/1
"""
END = "".join(f"steps:  50%|█ | {n}/40 [00:30<00:10,  1.07it/s, avr_loss=0.091]\r" for n in range(1, 41))


@pytest.mark.parametrize("line", HEALTHY)
def test_a_run_that_is_well_raises_no_alarm(line: str) -> None:
    found = diagnose([[(START.replace("{extra}", line) + END + "\nmodel saved.\n").encode()]])
    assert [hint.key for hint in found.hints if hint.severity == "fatal"] == []
    assert found.verdict != "failed"
