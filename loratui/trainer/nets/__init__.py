"""The networks of Stable Diffusion 1.x, 2.x and XL in plain PyTorch.

They have the module names and classes of diffusers' UNet2DConditionModel and AutoencoderKL and of
transformers' CLIPTextModel, and compute the same to the last bit, for exactly the shapes these families have.
A training starts seconds sooner than with those packages, which import much that it never uses.
"""
