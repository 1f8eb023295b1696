"""How a setting is declared: types, units and the declaration itself."""
