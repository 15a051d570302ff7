"""Questions, answers, votes."""
