"""Quillmoor, a fictional homeware and garden shop: its catalog and its demo pages."""
