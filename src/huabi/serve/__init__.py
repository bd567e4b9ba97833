"""The server: jobs that outlive a kill, a worker that draws those that fit together, and the HTTP routes to both.

It knows models and requests alone, never families.
"""
