"""How the world is changed: the one road from a finding to an act. Nothing here acts yet; watchfloor only reads."""
