"""What an accelerator counts, and how the figures of several processes are summed. It knows no store and no request."""
