"""From counts to statements: quantiles, accounts, goals, comparisons."""
