"""The archive elsewhere: a copy in one of Django's STORAGES after each run, and the way back on a training host.

What is shipped is what is here, under the same names: the ZIPs, which anybody can download and unzip, and the blobs
that the examples refer to. A manifest says which belong together, with sizes and SHA-256; it is written last, so
whoever follows it finds either a whole set or the difference. `service` ships, `fetching` fetches, `stores` has what
they know of a folder, of S3, and of any other storage.
"""
