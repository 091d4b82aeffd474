"""The load harness: sealed requests, each paid for, sent at a set rate, and what became of every one."""
