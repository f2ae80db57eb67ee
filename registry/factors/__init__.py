"""The second factor of an account: codes of an authenticator app (TOTP), and recovery codes for when it is lost."""
