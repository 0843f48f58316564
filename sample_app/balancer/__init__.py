"""A reverse proxy before several instances of the shop: ``python -m sample_app.balancer``."""
