"""What facts become: stories of recent requests, counts, log lines. Watches; decides nothing."""
