"""A small shop: the FastAPI app whose problems and fixes are measured."""
