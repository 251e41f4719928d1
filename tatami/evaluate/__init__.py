"""Predictions in, numbers out: one file a metric family. Start at ``detections.evaluate``."""
