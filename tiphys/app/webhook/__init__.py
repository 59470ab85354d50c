"""The validating admission webhook: what a manifest's status would say, said to whoever applies it."""

from tiphys.app.webhook.certificates import CertificateFiles, SelfMade
from tiphys.app.webhook.review import Reviewer
from tiphys.app.webhook.server import open_webhook

__all__ = ["CertificateFiles", "Reviewer", "SelfMade", "open_webhook"]
