"""Bytes, and nothing else: integers, cursors, base64url and auth-params."""
