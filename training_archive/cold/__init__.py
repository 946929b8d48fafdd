"""Cold storage: chunks that are old leave this host for another of Django's STORAGES, and can be had back.

They go in parts: a part is a ZIP of the old chunks of one ZIP and one month, with the images and files that their
examples refer to, so that nothing here has to be kept for its sake. A chunk leaves only when its part was read back, or
the storage's own checksum is that of the part. `ledger` knows what is where; `moving` takes chunks there, `returning`
brings them back, `forgetting` and `pruning` reach what is there, `settling` puts right what a killed run left.
"""
