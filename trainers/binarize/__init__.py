"""Binary weights: how a latent weight becomes one, on which layers, and when."""
