"""Which names with dots are taken for hosts when neither a scheme nor `www.` stands before them.

The list of top-level domains is short on purpose: the whole one has `.py`, `.rs`, `.md`, `.sh`, `.zip` and many words
that follow a dot in code or in prose.
"""

from typing import Final

from continuous_training.redaction.rules.words import words

# Hardly ever the end of anything else.
CERTAIN: Final = words("""
    com org net edu gov mil io ai eu uk de fr nl ch es pt ie se dk fi cz sk hu ro bg hr gr lv ee ua ru tr
    ca mx br au nz jp kr cn
""")
# Words and names in code as well: a host only with a path behind it.
UNCERTAIN: Final = words("""
    info biz int app dev shop store tv co me xyz online site tech blog cloud page link world club agency digital email
    academy social news gg ly it at be us to no pl lt si cl ar
""")
TLDS: Final = CERTAIN | UNCERTAIN
# What begins a name in code, or a package named backwards as Java does, and no host.
CODE_HEADS: Final = words("""
    self this cls super args kwargs opts options config settings request response req res ctx context logger log
    java javax scipy skimage numpy torchvision torch tf pd np std system windows microsoft android kotlin scala akka
    asp vb ado ml com org net io edu gov de fr uk app dev sun
""")
