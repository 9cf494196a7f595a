"""What a trained model is used for: predict, explain, ensemble, search for shortcuts."""
