"""Where a picture comes from: its recipe, the AI-content label, watermark and signature, and what of them holds."""
