"""From data to a model: the training loop, the initial state, the fitted model and its scikit-learn form."""
