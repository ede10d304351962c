"""The query program: the graph of Serve deployments behind one HTTP ingress."""

from actors import cluster

cluster.set_switches()  # Ray Serve reads them when it is imported
