"""Trainings: the recipe's form, the background job, the list."""
