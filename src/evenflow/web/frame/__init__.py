"""The frame of every request: context, errors, headers, permissions, lists."""
