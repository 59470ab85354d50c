"""`tiphys test`: what would happen, without a cluster: the service's own code on events and requests from files."""
