from tatami.ship.c.conv import decide, emit

__all__ = ["decide", "emit"]
