"""Deep state-space models in torch: static layers, the scaffold around the cells, and freezing to explicit numbers."""
