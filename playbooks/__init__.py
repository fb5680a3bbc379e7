"""What is done when: playbooks, the planners that compute their steps, and policies."""
