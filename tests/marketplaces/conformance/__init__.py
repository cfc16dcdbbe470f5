"""What every connector must do, whatever its marketplace is like."""
