"""Binary weights: how latent weights become binary, in which layers, and when."""
