"""Samplers: change how many training rows each class has; one file each.

A file holds ``SAMPLER = Class``; its name is what a recipe writes under
``[balance]``. A sampler sees the prepared matrix of *training* rows and nothing
else: it runs after the split and after the preprocessor was fitted, so that no test
row can help to make a training row. The contract stands in :mod:`._sampler`; files
whose names begin with an underscore are shared parts.
"""
