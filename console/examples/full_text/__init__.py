"""Search in whole texts, wherever they are: the live database, sealed files, then chunk by chunk, the newest first.

No index knows all words. So the files are looked through, for two seconds at a time: what was found, how far it is, and
a token to go on with. Nothing runs on when nobody asks for more.
"""
