"""The sending side: lean HTTP/1.1 connections, and what opens the answers."""
