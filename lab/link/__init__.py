"""The link: a TCP proxy between two parts of a stack whose faults ("toxics") are set over HTTP.

It speaks Toxiproxy's HTTP API (https://github.com/Shopify/toxiproxy), so that clients of Toxiproxy drive it
unchanged and a real Toxiproxy can stand in its place. What goes beyond that API lies under ``/lab/``.
``python -m lab.link`` is the proxy in a process of its own, ``lab.link.process`` starts one from the lab, and
``lab.link.client`` is the lab's side of the API.
"""
