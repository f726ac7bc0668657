"""How much GMV did this tactic cause, and is that answer to be trusted?"""
from gmvcausal.errors import DesignError, GmvCausalError, GmvCausalWarning, InputError
