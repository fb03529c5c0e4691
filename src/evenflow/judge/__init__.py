"""Evaluation of models: reports, comparisons, charts."""
