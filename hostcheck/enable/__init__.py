"""Switching nested virtualization on, on one host: plan, apply, prove by execution, and put back what was there."""
