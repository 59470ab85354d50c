"""Object stores that speak S3, and what MinIO adds to it."""

from tiphys.clients.s3.client import S3, Listed, Listing, Silent, Tick
from tiphys.clients.s3.signer import Keys, canonical_query, sign

__all__ = ["S3", "Keys", "Listed", "Listing", "Silent", "Tick", "canonical_query", "sign"]
