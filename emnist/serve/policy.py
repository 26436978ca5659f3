"""What a page's Content-Security-Policy allows."""

import base64
import hashlib
import re


def hashes(tag, page):
    """Return the hashes by which a policy allows the scripts or styles (`tag`) of a page of HTML: a str."""
    texts = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in texts]
    return " ".join(f"'sha256-{digest}'" for digest in digests)
