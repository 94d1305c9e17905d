"""What may still be spent: buckets, the ledger, the waiting room. Pure: the time is given, nothing is asked."""
