"""The forms of keys that well-known vendors give out: a text that every key has, and the pattern of the whole."""

import re
from typing import Final

_WORD: Final = r"(?<![A-Za-z0-9_])"
_END: Final = r"(?![A-Za-z0-9])"

_PATTERNS: Final = {
    # OpenAI, Anthropic, OpenRouter, Langfuse
    "sk-": r"sk-(?=[A-Za-z_-]{0,60}[0-9])(?:(?:proj|svcacct|admin|ant|or|lf)-)?[A-Za-z0-9_-]{20,200}+",
    "sk_": r"sk_(?:live|test|prod)_[A-Za-z0-9]{16,128}+",  # Stripe, Clerk
    "rk_": r"rk_(?:live|test)_[A-Za-z0-9]{16,128}+",
    "whsec_": r"whsec_[A-Za-z0-9+/]{24,64}+={0,2}",
    "ghp_": r"ghp_[A-Za-z0-9]{36,255}+",  # GitHub
    "gho_": r"gho_[A-Za-z0-9]{36,255}+",
    "ghu_": r"ghu_[A-Za-z0-9]{36,255}+",
    "ghs_": r"ghs_[A-Za-z0-9]{36,255}+",
    "ghr_": r"ghr_[A-Za-z0-9]{36,255}+",
    "github_pat_": r"github_pat_[A-Za-z0-9_]{22,255}+",
    "glpat-": r"glpat-[A-Za-z0-9_.-]{20,128}+",  # GitLab
    "AKIA": r"AKIA[A-Z2-7]{16}",  # AWS
    "ASIA": r"ASIA[A-Z2-7]{16}",
    "xox": r"xox[abeoprs]-[A-Za-z0-9-]{10,250}+",  # Slack
    "xapp-": r"xapp-[0-9]-[A-Za-z0-9-]{10,250}+",
    "AIza": r"AIza[A-Za-z0-9_-]{35}",  # Google
    "ya29.": r"ya29\.[A-Za-z0-9_-]{20,500}+",
    "GOCSPX-": r"GOCSPX-[A-Za-z0-9_-]{28}",
    "SG.": r"SG\.[A-Za-z0-9_-]{16,32}+\.[A-Za-z0-9_-]{16,64}+",  # SendGrid
    "hf_": r"hf_[A-Za-z0-9]{30,64}+",  # Hugging Face
    "npm_": r"npm_[A-Za-z0-9]{36}",
    "pypi-": r"pypi-AgE[A-Za-z0-9_-]{50,500}+",
    "dop_v1_": r"dop_v1_[a-f0-9]{64}",  # DigitalOcean
    "shpat_": r"shpat_[A-Fa-f0-9]{32}",  # Shopify
    "gsk_": r"gsk_[A-Za-z0-9]{40,64}+",  # Groq
    "nvapi-": r"nvapi-[A-Za-z0-9_-]{40,100}+",
    "pplx-": r"pplx-[A-Za-z0-9]{40,64}+",
    "tvly-": r"tvly-[A-Za-z0-9-]{20,64}+",
    "lsv2_": r"lsv2_(?:pt|sk)_[A-Za-z0-9]{32}_[A-Za-z0-9]{10}",  # LangSmith
    "dckr_pat_": r"dckr_pat_[A-Za-z0-9_-]{20,64}+",
    "EAACEdEose0cBA": r"EAACEdEose0cBA[A-Za-z0-9]{10,200}+",  # Facebook
    ":AA": r"[0-9]{8,10}+:AA[A-Za-z0-9_-]{32,34}+",  # Telegram's bots
    # JSON web tokens (RFC 7519)
    "eyJ": r"(?<!-)eyJ[A-Za-z0-9_-]{8,4000}+\.[A-Za-z0-9_-]{8,8000}+(?:\.[A-Za-z0-9_-]{1,2000}+){0,3}",
}
# Of Telegram's, how many digits may stand before; of all, how many characters before what is a token to Scan.
_BEFORE_ANCHOR: Final = {":AA": 10}
MOST_BEFORE: Final = 12

# (the text that every key has, how many characters of the key may stand before it, the pattern)
FORMS: Final = tuple(
    (anchor, _BEFORE_ANCHOR.get(anchor, 0), re.compile(f"{_WORD}{pattern}{_END}"))
    for anchor, pattern in _PATTERNS.items()
)
ARMOUR: Final = re.compile(r"-----BEGIN ([A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?)-----\s+[A-Za-z0-9+/-]{8}")
