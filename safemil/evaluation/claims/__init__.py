"""The paper's claims, each decided by a rule that was fixed before any result (the protocol, section 5)."""
