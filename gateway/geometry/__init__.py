"""Geometric score: 25 facial measurements, their scores, groups, total and reliability."""
