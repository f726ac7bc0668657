"""From effects to coupons: plans under a budget, and what they are worth on users kept apart."""

from gmvcausal.frames.prints import prints
from gmvcausal.targeting.policy.by_tree import TreeRule, make_tree_policy
from gmvcausal.targeting.policy.make import make_policy
from gmvcausal.targeting.policy.policy import Expected, Policy
from gmvcausal.targeting.policy.rule import Offer, Rule
from gmvcausal.targeting.policy.seen import Seen, seen
from gmvcausal.targeting.policy.tree import PolicyTree, policy_tree
from gmvcausal.targeting.policy.value import Held, PolicyValue, policy_value

__all__ = [
    "Expected",
    "Held",
    "Offer",
    "Policy",
    "PolicyTree",
    "PolicyValue",
    "Rule",
    "Seen",
    "TreeRule",
    "make_policy",
    "make_tree_policy",
    "policy_tree",
    "policy_value",
    "prints",
    "seen",
]
