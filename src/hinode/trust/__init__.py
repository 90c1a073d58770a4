"""Trust in clips: signed provenance, the invisible watermark, screening and the audit log.

The modules hold values and pure decisions. They import neither the jobs nor the records of consent.
"""
