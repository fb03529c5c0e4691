"""Generative samplers in PyTorch: one model a file, shared parts beside them.

Imported only when a recipe asks for one: nothing outside this folder and
``evenflow.learn`` needs torch.
"""
