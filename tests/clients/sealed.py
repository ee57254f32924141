"""Seals and opens files with the reference implementation of age. Arguments: open IDENTITY FILE, or seal RECIPIENT TEXT."""

import sys

import pyrage

verb, key, what = sys.argv[1:4]
if verb == "open":
    with open(key, encoding="utf-8") as file:
        secret = [line.strip() for line in file if line.startswith("AGE-SECRET-KEY-1")][0]
    with open(what, "rb") as file:
        sys.stdout.buffer.write(pyrage.decrypt(file.read(), [pyrage.x25519.Identity.from_str(secret)]))
else:
    sys.stdout.buffer.write(pyrage.encrypt(what.encode(), [pyrage.x25519.Recipient.from_str(key)]))
